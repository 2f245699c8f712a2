-- Keeps recalls of the job out until the transaction ends, and is refused where the job version was recalled since the run began; one
-- row, empty. The first statement of whatever scores.
-- Parameters: job, model_version, job_version, begun_at (null: it begins in this transaction).
SELECT scorer.share_with_recalls(:job, :model_version, :job_version, CAST(:begun_at AS timestamptz))
