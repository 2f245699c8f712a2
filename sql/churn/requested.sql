-- The asked enrolments that may be scored, as due.sql has it, each with the moment as of which it is scored: now, or its end.
-- One row per enrolment.
-- Parameters: entity_ids (array), as_of.
SELECT
    e.enrolment_id AS entity_id,
    GREATEST(LEAST(e.unregistered_at, c.ends_at, CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of
FROM churn.enrolments AS e
JOIN churn.courses AS c ON c.course_id = e.course_id
WHERE e.enrolment_id = ANY (CAST(:entity_ids AS text []))
  AND c.starts_at <= CAST(:as_of AS timestamptz)
  AND (e.registered_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
  AND (e.unregistered_at < c.starts_at) IS NOT TRUE
