-- The enrolments that may be due as of a time: one row per enrolment whose course has begun, and that was registered by then or nobody knows when.
-- One that has ended, because the learner left or the course did, is scored as of its end, and is settled once `recheck` has passed since.
-- A time before 1900 is a mistake.
-- A sweep looks at every enrolment; any other run at those of courses that are not settled, and at those that it is told of.
-- Parameters: as_of, recheck, sweep, entity_ids (array: enrolments to look at, settled or not).
SELECT
    e.enrolment_id AS entity_id,
    GREATEST(LEAST(e.unregistered_at, c.ends_at, CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(LEAST(e.unregistered_at, c.ends_at) < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM churn.courses AS c
JOIN churn.enrolments AS e ON e.course_id = c.course_id
WHERE c.starts_at <= CAST(:as_of AS timestamptz)
  AND (e.registered_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
  AND (e.unregistered_at < c.starts_at) IS NOT TRUE
  AND (
      CAST(:sweep AS boolean)
      OR (LEAST(e.unregistered_at, c.ends_at) < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval)) IS NOT TRUE
      OR e.enrolment_id = ANY (CAST(:entity_ids AS text []))
  )
