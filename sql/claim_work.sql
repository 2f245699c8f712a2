-- Takes up to max_items of a run's work, passing over what other workers hold; one row per entity, with its current outcome.
-- The rows are deleted at once: they come back if the batch's transaction does not commit, and only then.
-- ANY (ARRAY ...) instead of IN, so that the inner SELECT is surely run once.
-- Parameters: run_id, output, max_items.
WITH claimed AS (
    DELETE FROM scorer.work
    WHERE work_id = ANY (ARRAY(
        SELECT w.work_id
        FROM scorer.work AS w
        WHERE w.run_id = :run_id
        ORDER BY
            w.priority DESC,
            w.work_id
        LIMIT :max_items
        FOR UPDATE SKIP LOCKED
    ))
    RETURNING
        work_id,
        job,
        entity_id,
        as_of
)

SELECT
    claimed.entity_id,
    claimed.as_of,
    c.status,
    c.status_as_of,
    c.reason,
    c.input_hash,
    c.valid_until,
    c.judged_by_model,
    c.judged_by_job
FROM claimed
LEFT JOIN scorer.current_scores AS c
    ON c.job = claimed.job
    AND c.entity_id = claimed.entity_id
    AND c.output = :output
ORDER BY claimed.work_id
