-- Rejections that were mended longer ago than keep; one row per rejection. Open ones stay.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.rejections AS t
WHERE t.resolved_at < now() - CAST(:keep AS interval)
