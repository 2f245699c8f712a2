-- Counts the registered model versions of a job, whatever their status; one row.
-- Parameters: job.
SELECT count(*) AS registered
FROM scorer.model_versions
WHERE job = :job
