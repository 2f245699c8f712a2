-- Entities that every run looks at, however old their record; one row: their ids, an array as text.
-- They are those held, failed or recalled, and those INSUFFICIENT or INDETERMINATE by another model or job version than those in force.
-- Parameters: job, output, job_version, model_versions (array: those whose scores are published).
SELECT CAST(COALESCE(array_agg(c.entity_id), '{}') AS text) AS entity_ids
FROM scorer.current_scores AS c
WHERE c.job = :job
  AND c.output = :output
  AND c.status <> 'SCORED'
  AND (
      c.status NOT IN ('INSUFFICIENT', 'INDETERMINATE')
      OR c.judged_by_job <> :job_version
      OR (c.judged_by_model = ANY (CAST(:model_versions AS text []))) IS NOT TRUE
  )
