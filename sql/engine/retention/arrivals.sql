-- Arrivals older than keep that led to no request; one row per statement and entity.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.arrivals AS t
WHERE t.arrived_at < now() - CAST(:keep AS interval)
