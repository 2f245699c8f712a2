-- Marks the open alerts of a job that were not told yet as told; one row each.
-- Parameters: job.
UPDATE scorer.alerts
SET told_at = now()
WHERE job = :job
  AND ended_at IS NULL
  AND told_at IS NULL
RETURNING kind, model_version, detail
