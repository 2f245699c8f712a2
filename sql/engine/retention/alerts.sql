-- Alerts that ended longer ago; one row per alert. Open ones are kept.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.alerts AS t
WHERE t.ended_at < now() - CAST(:keep AS interval)
