-- Writes down that a night's chore has ended, and why it failed where it did. No row. Nights older than a year are forgotten.
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
