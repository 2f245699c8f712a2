-- The model version of a job that is in production; one row, or none.
-- With it comes what the job's flags are set to, null where none is: each batch asks for both, at once. Where none of them was ever set,
-- which costs a look at an index, no function is called.
-- Parameters: job.
SELECT
    model_version,
    sha256,
    CASE
        WHEN EXISTS (
            SELECT
            FROM scorer.flags AS f
            WHERE f.flag IN (:job || '.scores', :job || '.write_back', :job || '.reasons')
        ) THEN scorer.job_flags(job)
    END AS flags
FROM scorer.model_versions
WHERE job = :job
  AND status = 'production'
