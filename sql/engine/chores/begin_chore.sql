-- Records that a night's chore has begun; one row: how often by now, or none where it has ended.
-- It begins again where the process that began it has died. The caller holds the chore's lock.
-- Parameters: job, chore, night, daemon.
INSERT INTO scorer.chores AS c (job, chore, night, daemon)
VALUES (:job, :chore, :night, :daemon)
ON CONFLICT (job, chore, night) DO UPDATE
SET begun_at = clock_timestamp(),
    attempts = c.attempts + 1,
    daemon = EXCLUDED.daemon
WHERE c.ended_at IS NULL
RETURNING c.attempts
