-- The newest tick of a job that was settled; one row, null where none was.
-- Parameters: job.
SELECT max(scheduled_for) AS scheduled_for
FROM scorer.ticks
WHERE job = :job
