-- Takes back one attempt at a night's chore, where the process was asked to stop; no row.
-- The chore stays begun, for the next process.
-- Parameters: job, chore, night.
UPDATE scorer.chores
SET attempts = attempts - 1
WHERE job = :job
  AND chore = :chore
  AND night = :night
  AND ended_at IS NULL
