-- The definition of a job version, as JSON text; one row, or none.
-- Parameters: job, job_version.
SELECT CAST(definition AS text) AS definition
FROM scorer.job_versions
WHERE job = :job
  AND job_version = :job_version
