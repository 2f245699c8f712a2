-- Whether a tick was ever settled, whatever the clock said then; one row.
-- Parameters: job, scheduled_for.
SELECT EXISTS (
    SELECT
    FROM scorer.ticks
    WHERE job = :job
      AND scheduled_for = :scheduled_for
) AS has_tick
