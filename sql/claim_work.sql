-- Takes up to max_items of a run's work, passing over what other workers hold; one row per entity, with its current outcome.
-- An outcome that a clock, put right since, dated in the future is none.
-- The rows stay, locked, until finish_work removes them in the same transaction: whoever enqueues meanwhile need not wait.
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
LEFT JOIN scorer.current_scores AS c
    ON c.job = :job
    AND c.entity_id = claimed.entity_id
    AND c.output = :output
    AND c.status_at <= clock_timestamp()
ORDER BY claimed.work_id
