-- Deletes a job's breaker; one row, as it stood, or none where there was none.
-- Parameters: job.
DELETE FROM scorer.breakers
WHERE job = :job
RETURNING
    failures,
    reason,
    last_failed_at,
    opened_at,
    next_try_at
