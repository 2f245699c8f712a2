-- The model version of a job that is in production; one row, or none.
-- With it comes what the job's flags are set to, null where none is: each batch asks for both, at once.
-- Parameters: job.
SELECT
    model_version,
    sha256,
    scorer.job_flags(job) AS flags
FROM scorer.model_versions
WHERE job = :job
  AND status = 'production'
