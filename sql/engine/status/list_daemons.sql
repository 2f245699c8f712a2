-- The daemons seen within the last day, and whether each is alive; one row per daemon.
-- Alive is one that was seen within the last minute.
SELECT
    daemon,
    version,
    started_at,
    beat_at,
    ready,
    abs(EXTRACT(EPOCH FROM now() - beat_at)) < 60 AS alive,
    detail,
    jobs
FROM reporting.daemons
WHERE beat_at > now() - INTERVAL '1 day'
ORDER BY daemon
