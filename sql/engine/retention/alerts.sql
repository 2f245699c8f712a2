-- Alerts that ended longer ago than keep; one row per alert. Open ones stay.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.alerts AS t
WHERE t.ended_at < now() - CAST(:keep AS interval)
