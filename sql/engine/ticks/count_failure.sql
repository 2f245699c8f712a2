-- Counts one more failed run in a row, and opens the breaker at the limit; one row: the breaker.
-- Parameters: job, reason, now, limit, pause (interval, until the next try).
INSERT INTO scorer.breakers AS b (job, failures, reason, last_failed_at, opened_at, next_try_at)
VALUES (
    :job,
    1,
    :reason,
    :now,
    CASE WHEN :limit <= 1 THEN CAST(:now AS timestamptz) END,
    CASE WHEN :limit <= 1 THEN CAST(:now AS timestamptz) + CAST(:pause AS interval) END
)
ON CONFLICT (job) DO UPDATE
SET
    failures = b.failures + 1,
    reason = excluded.reason,
    last_failed_at = excluded.last_failed_at,
    opened_at = CASE WHEN b.failures + 1 >= :limit THEN COALESCE(b.opened_at, CAST(:now AS timestamptz)) END,
    next_try_at = CASE WHEN b.failures + 1 >= :limit THEN CAST(:now AS timestamptz) + CAST(:pause AS interval) END
RETURNING
    failures,
    reason,
    last_failed_at,
    opened_at,
    next_try_at
