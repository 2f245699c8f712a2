-- The model of a job that is in production; at most one row.
-- Parameters: job.
SELECT
    model_version,
    sha256
FROM scorer.model_versions
WHERE job = :job
  AND status = 'production'
