-- The daemons that were seen within the last day, and whether each still is; one row per daemon.
SELECT
    daemon,
    version,
    started_at,
    beat_at,
    ready,
    beat_at > now() - INTERVAL '1 minute' AS alive,
    detail
FROM scorer.daemons
WHERE beat_at > now() - INTERVAL '1 day'
ORDER BY daemon
