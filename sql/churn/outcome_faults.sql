-- What is wrong with the outcomes: one row per fault that any has, with the number of outcomes that have it. An evaluation tells each.
SELECT
    'withdrawn without a date' AS fault,
    count(*) AS outcomes
FROM churn.outcomes AS o
JOIN churn.enrolments AS e ON e.enrolment_id = o.enrolment_id
WHERE o.result = 'Withdrawn' AND e.unregistered_at IS NULL
HAVING count(*) > 0
UNION ALL
SELECT
    'left by the date, but not by the result' AS fault,
    count(*) AS outcomes
FROM churn.outcomes AS o
JOIN churn.enrolments AS e ON e.enrolment_id = o.enrolment_id
WHERE o.result <> 'Withdrawn' AND e.unregistered_at IS NOT NULL
HAVING count(*) > 0
UNION ALL
SELECT
    'of a learner who handed work in after leaving' AS fault,
    count(DISTINCT e.enrolment_id) AS outcomes
FROM churn.enrolments AS e
JOIN churn.submissions AS s ON s.enrolment_id = e.enrolment_id
WHERE s.submitted_at > e.unregistered_at
HAVING count(*) > 0
UNION ALL
SELECT
    'of enrolments that do not exist' AS fault,
    count(*) AS outcomes
FROM churn.outcomes AS o
WHERE NOT EXISTS (SELECT FROM churn.enrolments AS e WHERE e.enrolment_id = o.enrolment_id)
HAVING count(*) > 0
