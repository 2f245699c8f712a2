-- Deletes the feature counts of a job's batches that are older than ninety days; no row.
-- Parameters: job.
DELETE FROM scorer.feature_counts
WHERE job = :job
  AND counted_at < now() - INTERVAL '90 days'
