-- Marks a run failed, with why and the sums of what it had committed, and gives up the rest of its work: it is due, so that the next
-- run finds it again.
-- Parameters: run_id, error.
WITH given_up AS (
    DELETE FROM scorer.work
    WHERE run_id = :run_id
)

UPDATE scorer.runs AS r
SET
    status = 'failed',
    error = :error,
    finished_at = clock_timestamp(),
    scored = b.scored,
    unchanged = b.unchanged,
    quarantined = b.quarantined,
    insufficient = b.insufficient,
    indeterminate = b.indeterminate,
    failed = b.failed
FROM (
    SELECT
        COALESCE(sum(scored), 0) AS scored,
        COALESCE(sum(unchanged), 0) AS unchanged,
        COALESCE(sum(quarantined), 0) AS quarantined,
        COALESCE(sum(insufficient), 0) AS insufficient,
        COALESCE(sum(indeterminate), 0) AS indeterminate,
        COALESCE(sum(failed), 0) AS failed
    FROM scorer.batches
    WHERE run_id = :run_id
) AS b
WHERE r.run_id = :run_id
  AND r.status = 'running'
