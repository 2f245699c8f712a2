-- Keeps recalls of the job out until the transaction ends; one row, empty.
-- It is the first statement of each transaction that scores, and fails where the job version was recalled since the run began.
-- Parameters: job, model_version, job_version, begun_at (null: it begins in this transaction).
SELECT scorer.share_with_recalls(:job, :model_version, :job_version, CAST(:begun_at AS timestamptz))
