-- Whether a tick is not settled yet; one row.
-- One whose settling was dated in the future, by a clock that has been put right since, is open again.
-- Parameters: job, scheduled_for.
SELECT NOT EXISTS (
    SELECT
    FROM scorer.ticks
    WHERE job = :job
      AND scheduled_for = :scheduled_for
      AND recorded_at <= clock_timestamp()
) AS is_open
