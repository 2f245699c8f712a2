-- Writes a night's chore down as begun, or as begun anew where whoever began it died; one row, how
-- often it was begun with this time, or none where it has ended. Whoever runs this holds the chore's lock.
-- Parameters: job, chore, night, daemon.
INSERT INTO scorer.chores AS c (job, chore, night, daemon)
VALUES (:job, :chore, :night, :daemon)
ON CONFLICT (job, chore, night) DO UPDATE
SET begun_at = clock_timestamp(),
    attempts = c.attempts + 1,
    daemon = EXCLUDED.daemon
WHERE c.ended_at IS NULL
RETURNING c.attempts
