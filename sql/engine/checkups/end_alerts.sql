-- Ends the open alerts of a job that are of one of these kinds, or of another model; one row each.
-- Parameters: job, model_version, kinds (array).
UPDATE scorer.alerts
SET ended_at = now()
WHERE job = :job
  AND ended_at IS NULL
  AND (kind = ANY(:kinds) OR model_version <> :model_version)
RETURNING kind, model_version, since
