-- Daemons last seen longer ago than keep, which died; one row per daemon.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.daemons AS t
WHERE t.beat_at < now() - CAST(:keep AS interval)
