-- Features built without a score longer than keep ago; one row per entity and as-of time.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.feature_vectors AS t
WHERE t.built_at < now() - CAST(:keep AS interval)
