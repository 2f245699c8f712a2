-- Registers a model version as a candidate; one row, or none where it is registered already.
-- Parameters: job, model_version, sha256, manifest.
INSERT INTO scorer.model_versions (job, model_version, sha256, manifest)
VALUES (:job, :model_version, :sha256, CAST(:manifest AS jsonb))
ON CONFLICT (job, model_version) DO NOTHING
RETURNING model_version
