-- The bytes of a model version, where the database stores them; one row, or none.
-- Parameters: job, model_version.
SELECT content
FROM scorer.model_artefacts
WHERE job = :job
  AND model_version = :model_version
