-- A job's FHIR resources of scores that were made or recalled in a time; one row per score.
-- Where resource is null, lacks says for want of what. Rows come in no order, so that none waits for the last.
-- Parameters: job, since (null: from the beginning), until.
SELECT
    CAST(resource AS text) AS resource,
    lacks,
    status = 'entered-in-error' AS recalled
FROM reporting.fhir_risk_assessments
WHERE job = :job
  AND changed_at >= COALESCE(CAST(:since AS timestamptz), '-infinity')
  AND changed_at < CAST(:until AS timestamptz)
