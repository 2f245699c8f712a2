-- The version that was in production before the present one; one row, null where there is none.
-- Parameters: job.
SELECT scorer.model_before(:job) AS model_version
