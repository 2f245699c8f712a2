-- The model version of a job that is in production; one row, or none.
-- Parameters: job.
SELECT
    model_version,
    sha256
FROM scorer.model_versions
WHERE job = :job
  AND status = 'production'
