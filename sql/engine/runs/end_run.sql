-- Marks a run succeeded, or failed with an error, and sums up its batches; no row.
-- Nothing changes while work of the run still waits. The table's CHECK refuses a success whose counts do not add up to eligible. The work
-- of a failed run is given up before, in a statement of its own: a sum that began before another worker's batch was committed would miss
-- that batch.
-- Parameters: run_id, error (null: it succeeded).
UPDATE scorer.runs AS r
SET
    status = CASE WHEN CAST(:error AS text) IS NULL THEN 'succeeded' ELSE 'failed' END,
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
  AND NOT EXISTS (SELECT FROM scorer.work WHERE run_id = :run_id)
