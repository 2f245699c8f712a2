-- Requests that ended longer ago; one row per request. Whatever waits is kept.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.requests AS t
WHERE t.finished_at < now() - CAST(:keep AS interval)
