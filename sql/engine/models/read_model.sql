-- A registered model version; one row, or none.
-- Parameters: job, model_version.
SELECT
    m.job,
    m.model_version,
    m.status,
    m.sha256,
    m.manifest,
    m.registered_at,
    m.registered_by,
    m.promoted_at,
    EXISTS (SELECT FROM scorer.model_artefacts AS a WHERE a.job = m.job AND a.model_version = m.model_version) AS stored
FROM scorer.model_versions AS m
WHERE m.job = :job
  AND m.model_version = :model_version
