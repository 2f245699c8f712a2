-- Ticks older than keep; one row per tick.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.ticks AS t
WHERE t.scheduled_for < now() - CAST(:keep AS interval)
