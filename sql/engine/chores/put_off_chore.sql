-- Takes back that a night's chore was tried, where whoever began it was asked to stop; it stays begun, for the next. No row.
-- Parameters: job, chore, night.
UPDATE scorer.chores
SET attempts = attempts - 1
WHERE job = :job
  AND chore = :chore
  AND night = :night
  AND ended_at IS NULL
