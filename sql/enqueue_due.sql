-- Enqueues what is due, and sets the run's eligible to how many that is; one row. Between the first
-- parentheses goes the job's own due.sql, which gives entity_id, as_of and settled.
-- Due is, by what the ledger holds and by no high-water mark: whoever has no outcome yet; whoever is held (its inputs may have been
-- mended); and, unless settled, whoever may have changed: the batch compares its inputs with those that were judged.
-- Nobody is judged as of an earlier moment than he already was, and nobody waits twice.
-- Parameters: run_id, job, output, max_entities (null: all), and those of due.sql.
WITH due AS (
    {due}
),

waiting AS (
    INSERT INTO scorer.work (run_id, job, entity_id, as_of)
    SELECT
        :run_id,
        :job,
        due.entity_id,
        due.as_of
    FROM due
    LEFT JOIN scorer.current_scores AS c
        ON c.job = :job
        AND c.entity_id = due.entity_id
        AND c.output = :output
    WHERE c.entity_id IS NULL
       OR (due.as_of >= c.status_as_of AND (c.status <> 'SCORED' OR NOT due.settled))
    ORDER BY
        c.status_at NULLS FIRST,
        due.entity_id
    LIMIT :max_entities
    ON CONFLICT (job, entity_id) DO NOTHING
    RETURNING 1
)

UPDATE scorer.runs
SET eligible = (SELECT count(*) FROM waiting)
WHERE run_id = :run_id
RETURNING eligible
