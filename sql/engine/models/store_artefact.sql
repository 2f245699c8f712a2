-- Keeps the bytes of a registered model version, unless they are kept already; no row. The database refuses others than those registered.
-- Parameters: job, model_version, sha256, content.
INSERT INTO scorer.model_artefacts (job, model_version, sha256, content)
VALUES (:job, :model_version, :sha256, :content)
ON CONFLICT (job, model_version) DO NOTHING
