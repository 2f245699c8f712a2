-- Counts the valid, expiring and stale scores, and the held entities; one row per job.
-- Expiring are those valid for an hour at the most.
SELECT
    job,
    valid,
    expiring,
    stale,
    held
FROM reporting.health
ORDER BY job
