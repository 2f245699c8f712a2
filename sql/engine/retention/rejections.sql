-- Rejections that were mended longer ago; one row per rejection. Open ones are kept.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.rejections AS t
WHERE t.resolved_at < now() - CAST(:keep AS interval)
