-- Stores the bytes of a registered model version, unless they are there already; no row.
-- The database refuses other bytes than those registered.
-- Parameters: job, model_version, sha256, content.
INSERT INTO scorer.model_artefacts (job, model_version, sha256, content)
VALUES (:job, :model_version, :sha256, :content)
ON CONFLICT (job, model_version) DO NOTHING
