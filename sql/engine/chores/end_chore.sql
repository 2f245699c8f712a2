-- Records that a night's chore has ended, and why if it failed; no row.
-- Nights of the chore that are older than a year are deleted.
-- Parameters: job, chore, night, error.
WITH forgotten AS (
    DELETE FROM scorer.chores
    WHERE job = :job
      AND chore = :chore
      AND night < CAST(:night AS timestamptz) - INTERVAL '1 year'
)
UPDATE scorer.chores
SET ended_at = clock_timestamp(),
    error = :error
WHERE job = :job
  AND chore = :chore
  AND night = :night
