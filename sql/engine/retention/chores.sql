-- Nights of chores older than keep; one row per chore and night.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.chores AS t
WHERE t.night < now() - CAST(:keep AS interval)
