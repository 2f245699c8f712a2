-- Records the definition of a job version, unless it is there already; no row.
-- Parameters: job, job_version, definition.
INSERT INTO scorer.job_versions (job, job_version, definition)
VALUES (:job, :job_version, CAST(:definition AS jsonb))
ON CONFLICT (job, job_version) DO NOTHING
