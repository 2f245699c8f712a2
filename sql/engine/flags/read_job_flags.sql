-- The flags of a job that are set, by name; one row, null where none is.
-- Parameters: job.
SELECT scorer.job_flags(:job) AS flags
