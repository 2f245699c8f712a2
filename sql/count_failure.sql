-- Counts one more failed run in a row, and opens the breaker from the limit on; one row, the breaker.
-- Parameters: job, reason, limit, pause (interval, until the next try).
INSERT INTO scorer.breakers AS b (job, failures, reason, opened_at, next_try_at)
VALUES (
    :job,
    1,
    :reason,
    CASE WHEN :limit <= 1 THEN now() END,
    CASE WHEN :limit <= 1 THEN now() + CAST(:pause AS interval) END
)
ON CONFLICT (job) DO UPDATE
SET
    failures = b.failures + 1,
    reason = excluded.reason,
    last_failed_at = now(),
    opened_at = CASE WHEN b.failures + 1 >= :limit THEN COALESCE(b.opened_at, now()) END,
    next_try_at = CASE WHEN b.failures + 1 >= :limit THEN now() + CAST(:pause AS interval) END
RETURNING
    failures,
    reason,
    opened_at,
    next_try_at
