-- The daemons that were seen within the last day, and whether each still is; one row per daemon.
SELECT
    daemon,
    version,
    started_at,
    beat_at,
    ready,
    abs(EXTRACT(EPOCH FROM now() - beat_at)) < 60 AS alive,
    detail
FROM scorer.daemons
WHERE beat_at > now() - INTERVAL '1 day'
ORDER BY daemon
