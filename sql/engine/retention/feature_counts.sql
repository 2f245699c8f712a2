-- Feature counts of batches older than keep; one row per batch.
-- Those of the jobs that a daemon knows go sooner, each night.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.feature_counts AS t
WHERE t.counted_at < now() - CAST(:keep AS interval)
