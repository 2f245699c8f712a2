-- Submissions of enrolments that do not exist: one row per such enrolment_id (empty where the submission has none).
SELECT
    COALESCE(s.enrolment_id, '') AS entity_id,
    count(*) AS observations
FROM churn.submissions AS s
WHERE NOT EXISTS (SELECT FROM churn.enrolments AS e WHERE e.enrolment_id = s.enrolment_id)
GROUP BY COALESCE(s.enrolment_id, '')
