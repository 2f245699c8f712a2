-- Requests that ended longer ago than keep; one row per request. Waiting ones stay.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.requests AS t
WHERE t.finished_at < now() - CAST(:keep AS interval)
