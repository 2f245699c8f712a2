-- Ends a job's open alerts of the kinds given, or of another model; one row per alert ended.
-- Parameters: job, model_version, kinds (array).
UPDATE scorer.alerts
SET ended_at = now()
WHERE job = :job
  AND ended_at IS NULL
  AND (kind = ANY(:kinds) OR model_version <> :model_version)
RETURNING kind, model_version, since
