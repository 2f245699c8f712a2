-- The newest settled tick of a job, and the schedule that it was of; one row, or none.
-- What a wrong clock settled in the future does not count.
-- Parameters: job.
SELECT
    scheduled_for,
    schedule
FROM scorer.ticks
WHERE job = :job
  AND scheduled_for <= clock_timestamp()
  AND recorded_at <= clock_timestamp()
ORDER BY scheduled_for DESC
LIMIT 1
