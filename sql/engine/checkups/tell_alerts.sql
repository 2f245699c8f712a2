-- Marks as told the open alerts of a job that were not told yet; one row per alert.
-- Parameters: job.
UPDATE scorer.alerts
SET told_at = now()
WHERE job = :job
  AND ended_at IS NULL
  AND told_at IS NULL
RETURNING kind, model_version, detail
