-- Marks a run succeeded, with the sums of its batches, if nothing of it waits any more. The table's CHECK refuses
-- a run whose counts do not add up to eligible.
-- Parameters: run_id.
UPDATE scorer.runs AS r
SET
    status = 'succeeded',
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
  AND NOT EXISTS (SELECT FROM scorer.work WHERE run_id = :run_id)
