-- What was found when a model version was tried, newest first; one row per trial.
-- Parameters: job, model_version.
SELECT
    kind,
    recorded_at,
    recorded_by,
    host,
    fingerprint,
    result
FROM scorer.model_evidence
WHERE job = :job
  AND model_version = :model_version
ORDER BY evidence_id DESC
