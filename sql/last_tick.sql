-- The newest tick of a job that was settled; one row, null where none was. What a clock that was wrong settled in the future does not
-- count.
-- Parameters: job.
SELECT max(scheduled_for) AS scheduled_for
FROM scorer.ticks
WHERE job = :job
  AND scheduled_for <= clock_timestamp()
  AND recorded_at <= clock_timestamp()
