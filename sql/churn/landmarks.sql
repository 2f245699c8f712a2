-- What the model is trained and evaluated on: one row per enrolment and landmark, from the course's first day on, for as long as the
-- learner was enrolled. The label is 1 where the learner left within `horizon`, and NULL where that is not known: `horizon` has not passed (also
-- of who has left by now: else the newest landmarks would be those of leavers alone),
-- or the learner withdrew without a date. `event_at` is when the learner left; `cohort` keeps all enrolments of a learner on one side of every split.
-- Parameters: first_landmark, landmark_step, horizon.
SELECT
    e.enrolment_id AS entity_id,
    e.user_id AS cohort,
    l.as_of,
    CASE
        WHEN l.as_of + CAST(:horizon AS interval) > now() THEN NULL
        WHEN e.unregistered_at <= l.as_of + CAST(:horizon AS interval) THEN 1
        WHEN e.unregistered_at IS NULL AND o.result = 'Withdrawn' THEN NULL
        ELSE 0
    END AS label,
    e.unregistered_at AS event_at
FROM churn.enrolments AS e
JOIN churn.courses AS c ON c.course_id = e.course_id
LEFT JOIN churn.outcomes AS o ON o.enrolment_id = e.enrolment_id
CROSS JOIN LATERAL generate_series(
    c.starts_at + CAST(:first_landmark AS interval),
    LEAST(c.ends_at, now()),
    CAST(:landmark_step AS interval)
) AS l (as_of)
WHERE (e.registered_at > l.as_of) IS NOT TRUE
  AND (e.unregistered_at <= l.as_of) IS NOT TRUE
