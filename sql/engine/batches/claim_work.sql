-- Takes up to max_items of a run's work, skipping what other workers hold; one row per entity.
-- With each comes its current outcome, unless a clock that was put right since dated it in the future. The rows of scorer.work stay,
-- locked, until finish_work.sql deletes them in the same transaction: a process that enqueues meanwhile need not wait.
-- OFFSET 0 has each outcome looked up by its key; the planner would rather read all outcomes of the job.
-- Parameters: run_id, job, output, max_items.
WITH claimed AS MATERIALIZED (
    SELECT
        w.work_id,
        w.entity_id,
        w.as_of,
        w.as_known_at
    FROM scorer.work AS w
    WHERE w.run_id = :run_id
    ORDER BY
        w.priority DESC,
        w.work_id
    LIMIT :max_items
    FOR UPDATE SKIP LOCKED
)

SELECT
    claimed.work_id,
    claimed.entity_id,
    claimed.as_of,
    claimed.as_known_at,
    c.status,
    c.status_as_of,
    c.status_known_at,
    c.reason,
    c.input_hash,
    c.valid_until,
    c.judged_by_model,
    c.judged_by_job
FROM claimed
LEFT JOIN LATERAL (
    SELECT
        o.status,
        o.status_as_of,
        o.status_known_at,
        o.reason,
        o.input_hash,
        o.valid_until,
        o.judged_by_model,
        o.judged_by_job
    FROM scorer.current_scores AS o
    WHERE o.job = :job
      AND o.entity_id = claimed.entity_id
      AND o.output = :output
      AND o.status_at <= clock_timestamp()
    OFFSET 0
) AS c ON true
ORDER BY claimed.work_id
