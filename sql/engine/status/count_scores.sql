-- How many current scores are valid, expire within the hour, or are stale, and how many entities are held; one row per job.
SELECT
    job,
    valid,
    expiring,
    stale,
    held
FROM reporting.health
ORDER BY job
