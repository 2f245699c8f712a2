-- Whether a tick is not settled yet; one row. One that was settled in what is the future now, by a clock that has been put right since,
-- is open again.
-- Parameters: job, scheduled_for.
SELECT NOT EXISTS (
    SELECT
    FROM scorer.ticks
    WHERE job = :job
      AND scheduled_for = :scheduled_for
      AND recorded_at <= clock_timestamp()
) AS is_open
