-- The newest night of a job's chore; one row, or none where it was never begun.
-- A night in the future, which a wrong clock recorded, does not count.
-- Parameters: job, chore.
SELECT
    c.night,
    c.ended_at
FROM scorer.chores AS c
WHERE c.job = :job
  AND c.chore = :chore
  AND c.night <= clock_timestamp()
ORDER BY c.night DESC
LIMIT 1
