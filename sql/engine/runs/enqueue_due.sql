-- Enqueues the entities that are due and sets the run's eligible to their number; one row: that.
-- Between the first parentheses goes the job's own due.sql, which returns entity_id, as_of and settled.
-- What is due follows from what the ledger holds, not from a high-water mark. An entity is due
--   - if it has no outcome yet, or one that a clock, put right since, dated in the future;
--   - if its outcome is no score, since its inputs or the suite may have been mended. Not if it is settled and was INSUFFICIENT or
--     INDETERMINATE as of the end of its record, by all that was known then: only another model or job version could say otherwise;
--   - if it has a score and is not settled: the batch compares its inputs with those that were judged.
-- An outcome as of a later moment than the run's is left alone. One as of a later moment than the end of the record is not: the end was
-- charted late, and what was put right since counts all the same. An entity that waits already is not enqueued twice.
-- A sweep looks at every entity. Any other run passes over the settled ones whose outcome is no score, except those in entity_ids (see
-- list_unsettled.sql): so it costs by what may be due. OFFSET 0 keeps the planner from reading all outcomes for the sake of a few; a sweep
-- is sent without it.
-- With a limit, entities without an outcome come first and the others in random order, so that none is passed over for ever.
-- Parameters: run_id, queue (the job, or a name of its own for a dry run, so that no run waits for its entities), job, output, as_of,
-- as_known_at (null: known as of each entity's as-of time), job_version, model_versions (array: those whose scores are published),
-- max_entities (null: all), sweep, entity_ids (array: whom to look at, settled or not), swept (whether the run enqueues all that a sweep
-- finds), and those of due.sql.
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
        OR (c.status = 'SCORED' AND c.status_as_of <= :as_of AND NOT due.settled)
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
