-- The version that scores beside a job's model in production; one row, or none.
-- Parameters: job.
SELECT
    c.model_version,
    c.started_at,
    c.started_by,
    c.why
FROM scorer.challengers AS c
WHERE c.job = :job
  AND c.stopped_at IS NULL
