-- Enqueues what is due, and sets the run's eligible to how many that is; one row. Between the first
-- parentheses goes the job's own due.sql, which gives entity_id, as_of and settled.
-- Due is, by what the ledger holds and by no high-water mark: whoever has no outcome yet; whoever is held (its inputs may have been
-- mended); and, unless settled, whoever may have changed: the batch compares its inputs with those that were judged.
-- Settled is also whoever has too few rows or was declined as of the end of the record, by all that was known then: that is not due again
-- until another model or job version could say otherwise. (Whoever is held stays due: the suite or the inputs may be mended at any time.)
-- A score is never followed by one as of an earlier moment, and nobody waits twice. (Whoever is held may be judged as of an earlier one:
-- a discharge that was charted late would otherwise hold him for ever.)
-- What a clock that has been put right since judged in the future does not count.
-- A sweep looks at everyone. Any other run passes over whoever is settled and has an outcome without a score, but for those it is told of
-- by list_unsettled.sql: so it costs by what may be due. OFFSET 0 keeps the planner from reading all outcomes for the sake of a few;
-- a sweep is sent without it.
-- Where there is a limit, whoever has no outcome comes first, and the others by lot, so that nobody is passed over for ever.
-- Parameters: run_id, queue (the job, or for a dry run one of its own, so that nobody waits for it), job, output, as_of, as_known_at (null:
-- known as of each entity's as-of time), job_version, model_versions (array: those whose scores are published), max_entities (null: all),
-- sweep, entity_ids (array: whom to look at, settled or not), swept (whether the run enqueues all that a sweep finds), and those of due.sql.
WITH due AS (
    {due}
),

waiting AS (
    INSERT INTO scorer.work (run_id, job, entity_id, as_of, as_known_at)
    SELECT
        :run_id,
        :queue,
        due.entity_id,
        due.as_of,
        CAST(:as_known_at AS timestamptz)
    FROM due
    LEFT JOIN LATERAL (
        SELECT
            o.entity_id,
            o.status,
            o.status_as_of,
            o.status_known_at,
            o.status_at,
            o.judged_by_job,
            o.judged_by_model
        FROM scorer.current_scores AS o
        WHERE o.job = :job
          AND o.entity_id = due.entity_id
          AND o.output = :output
        OFFSET 0
    ) AS c ON true
    WHERE (
        CAST(:sweep AS boolean)
        OR NOT due.settled
        OR due.entity_id = ANY (CAST(:entity_ids AS text []))
        OR NOT EXISTS (
            SELECT
            FROM scorer.current_scores AS w
            WHERE w.job = :job
              AND w.output = :output
              AND w.status <> 'SCORED'
              AND w.entity_id = due.entity_id
        )
    )
    AND (
        c.entity_id IS NULL
        OR (
            c.status <> 'SCORED'
            AND c.status_as_of <= :as_of
            AND (
                due.settled
                AND c.status IN ('INSUFFICIENT', 'INDETERMINATE')
                AND c.status_as_of = due.as_of
                AND COALESCE(c.status_known_at, c.status_as_of) >= due.as_of
                AND c.judged_by_job = :job_version
                AND c.judged_by_model = ANY (CAST(:model_versions AS text []))
            ) IS NOT TRUE
        )
        OR (c.status = 'SCORED' AND c.status_as_of <= due.as_of AND NOT due.settled)
        OR c.status_at > clock_timestamp()
    )
    ORDER BY
        c.entity_id IS NOT NULL,
        CASE WHEN CAST(:max_entities AS bigint) IS NOT NULL THEN random() END,
        due.entity_id COLLATE "C"
    LIMIT :max_entities
    ON CONFLICT (job, entity_id) DO NOTHING
    RETURNING 1
)

UPDATE scorer.runs
SET
    eligible = (SELECT count(*) FROM waiting),
    swept = :swept
WHERE run_id = :run_id
RETURNING eligible
