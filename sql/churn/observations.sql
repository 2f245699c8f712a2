-- What was known of each enrolment as of its time: one row per observation, in no order.
--   REGISTERED                 days from registration to the course's first day
--   <kind>_DAYS_LATE           when something was handed in: days after it was due, below 0 where before; of tutor-marked (TMA),
--                              computer-marked (CMA) and examined (EXAM) work. Work without a due date has no such row
--   <kind>_SCORE               the score, dated as it was handed in, and known once it was given out. Of work that is not marked yet, or nobody
--                              knows when it was, there is none
--   BANKED_SCORE               a score carried over from an earlier attempt: nothing was handed in
--   OVERDUE                    the weight of an assessment that was not handed in when it was due
--   MISSED                     the same, not handed in within `grace` after that
--   CLICKS                     in the platform, where they are kept
-- `has_earlier_attempt` is false where a score was carried over although the learner never tried before, `due_known` where the assessment
-- has no due date; both are NULL in all other rows. known_from is when a row came to be known; no other column depends on the as-of time.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per enrolment), grace.
WITH asked AS (
    SELECT
        k.position,
        k.as_of,
        k.known_at,
        e.enrolment_id,
        e.course_id,
        e.registered_at,
        e.previous_attempts,
        c.starts_at
    FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
    JOIN churn.enrolments AS e ON e.enrolment_id = k.entity_id
    JOIN churn.courses AS c ON c.course_id = e.course_id
    WHERE e.enrolment_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS text []))))
),

submitted AS (
    SELECT
        k.position,
        k.as_of,
        k.known_at,
        k.previous_attempts,
        a.kind,
        a.due_at,
        s.submission_id,
        s.submitted_at,
        s.score,
        COALESCE(s.banked, false) AS banked,
        s.marked_at
    FROM asked AS k
    JOIN churn.submissions AS s ON s.enrolment_id = k.enrolment_id
    LEFT JOIN churn.assessments AS a ON a.assessment_id = s.assessment_id
    WHERE s.enrolment_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS text []))))
),

observed AS (
    SELECT
        k.position,
        k.as_of,
        k.known_at,
        'R' AS observation_id,
        k.registered_at AS observation_date,
        'REGISTERED' AS observation_type_code,
        EXTRACT(EPOCH FROM k.starts_at - k.registered_at) / 86400 AS observation_value,
        false AS is_score,
        CAST(NULL AS boolean) AS has_earlier_attempt,
        CAST(NULL AS boolean) AS due_known,
        k.registered_at AS known_from
    FROM asked AS k
    UNION ALL
    SELECT
        s.position,
        s.as_of,
        s.known_at,
        'L' || s.submission_id,
        s.submitted_at,
        s.kind || '_DAYS_LATE',
        EXTRACT(EPOCH FROM s.submitted_at - s.due_at) / 86400,
        false,
        NULL,
        NULL,
        s.submitted_at
    FROM submitted AS s
    WHERE NOT s.banked
      AND s.due_at IS NOT NULL
    UNION ALL
    SELECT
        s.position,
        s.as_of,
        s.known_at,
        'S' || s.submission_id,
        s.submitted_at,
        CASE WHEN s.banked THEN 'BANKED_SCORE' ELSE COALESCE(s.kind, 'UNKNOWN') || '_SCORE' END,
        s.score,
        true,
        CASE WHEN s.banked AND s.previous_attempts = 0 THEN false END,
        CASE WHEN s.kind IS NOT NULL AND s.due_at IS NULL THEN false END,
        s.marked_at
    FROM submitted AS s
    WHERE s.marked_at IS NOT NULL
    UNION ALL
    SELECT
        k.position,
        k.as_of,
        k.known_at,
        o.step || a.assessment_id,
        o.observation_date,
        o.observation_type_code,
        a.weight,
        false,
        NULL,
        NULL,
        o.observation_date
    FROM asked AS k
    JOIN churn.assessments AS a ON a.course_id = k.course_id AND a.kind <> 'EXAM'
    CROSS JOIN LATERAL (
        VALUES
        ('O', a.due_at, 'OVERDUE'),
        ('M', a.due_at + CAST(:grace AS interval), 'MISSED')
    ) AS o (step, observation_date, observation_type_code)
    WHERE o.observation_date <= k.as_of
      AND NOT EXISTS (
          SELECT
          FROM churn.submissions AS s
          WHERE s.enrolment_id = k.enrolment_id
            AND s.assessment_id = a.assessment_id
            AND s.submitted_at <= o.observation_date
      )
    UNION ALL
    SELECT
        k.position,
        k.as_of,
        k.known_at,
        'C' || c.click_id,
        c.clicked_at,
        'CLICKS',
        c.clicks,
        false,
        NULL,
        NULL,
        c.clicked_at
    FROM asked AS k
    JOIN churn.clicks AS c ON c.enrolment_id = k.enrolment_id
    WHERE c.enrolment_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS text []))))
)

SELECT
    o.position,
    o.observation_id,
    o.observation_date,
    o.observation_type_code,
    CAST(o.observation_value AS double precision) AS observation_value,
    CASE WHEN o.is_score THEN 40.0 END AS reference_range_min,
    CASE WHEN o.is_score THEN 100.0 END AS reference_range_max,
    o.has_earlier_attempt,
    o.due_known,
    o.known_from
FROM observed AS o
WHERE (o.known_from > o.known_at) IS NOT TRUE
  AND (o.observation_date > o.as_of) IS NOT TRUE
