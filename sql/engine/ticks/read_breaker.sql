-- A job's breaker; one row, or none where its last run succeeded.
-- Parameters: job.
SELECT
    failures,
    reason,
    last_failed_at,
    opened_at,
    next_try_at
FROM scorer.breakers
WHERE job = :job
