-- Keeps a job version, once.
-- Parameters: job, job_version, definition.
INSERT INTO scorer.job_versions (job, job_version, definition)
VALUES (:job, :job_version, CAST(:definition AS jsonb))
ON CONFLICT (job, job_version) DO NOTHING
