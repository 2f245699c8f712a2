-- What is known of each enrolment beside its observations: one row per enrolment.
--   course_day        whole days since the course's first
--   work_missing      assessments that were due and are not handed in; weight_missing their weight
--   days_to_next_due  until the next work is due, and next_weight, next_handed_in (1 or 0) of what is due then
--   left_share        of the course's learners, the share that had left by the as-of time since its first day; left_lately in the four weeks before it
--   deprivation_readable  0 where the text for the area's deprivation is none of the ten bands
-- gender, age_band, disability, region and deprivation are for subgroups alone: the model does not see them.
-- Parameters: entity_ids, as_ofs (arrays, one element per enrolment).
WITH asked AS (
    SELECT
        k.position,
        k.as_of,
        e.enrolment_id,
        e.user_id,
        e.course_id,
        c.module,
        c.starts_at,
        e.registered_at,
        e.previous_attempts,
        e.credits,
        e.education,
        e.deprivation,
        e.region,
        e.gender,
        e.age_band,
        e.disability
    FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
    JOIN churn.enrolments AS e ON e.enrolment_id = k.entity_id
    JOIN churn.courses AS c ON c.course_id = e.course_id
    WHERE e.enrolment_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS text []))))
),

moments AS MATERIALIZED (
    SELECT DISTINCT
        a.course_id,
        a.as_of,
        a.starts_at
    FROM asked AS a
),

leaving AS MATERIALIZED (
    SELECT
        m.course_id,
        m.as_of,
        avg(CASE WHEN e.unregistered_at <= m.as_of THEN 1.0 ELSE 0.0 END) AS left_share,
        avg(CASE WHEN e.unregistered_at <= m.as_of AND e.unregistered_at > m.as_of - INTERVAL '28 days' THEN 1.0 ELSE 0.0 END) AS left_lately
    FROM moments AS m
    JOIN churn.enrolments AS e ON e.course_id = m.course_id
    WHERE (e.registered_at > m.as_of) IS NOT TRUE
      AND (e.unregistered_at < m.starts_at) IS NOT TRUE
    GROUP BY m.course_id, m.as_of
),

work AS (
    SELECT
        a.position,
        w.due_at,
        w.weight,
        w.due_at <= a.as_of AS is_due,
        EXISTS (
            SELECT
            FROM churn.submissions AS s
            WHERE s.enrolment_id = a.enrolment_id
              AND s.assessment_id = w.assessment_id
              AND s.submitted_at <= a.as_of
        ) AS handed_in
    FROM asked AS a
    JOIN churn.assessments AS w ON w.course_id = a.course_id AND w.kind <> 'EXAM' AND w.due_at IS NOT NULL
),

missing AS (
    SELECT
        w.position,
        count(*) AS work_missing,
        sum(w.weight) AS weight_missing
    FROM work AS w
    WHERE w.is_due AND NOT w.handed_in
    GROUP BY w.position
),

following AS (
    SELECT DISTINCT ON (w.position)
        w.position,
        w.due_at,
        w.weight,
        w.handed_in
    FROM work AS w
    WHERE NOT w.is_due
    ORDER BY w.position, w.due_at, w.weight DESC
)

SELECT
    a.position,
    a.user_id,
    a.course_id,
    a.module,
    a.registered_at,
    floor(EXTRACT(EPOCH FROM a.as_of - a.starts_at) / 86400) AS course_day,
    a.previous_attempts,
    a.credits,
    a.education,
    COALESCE(m.work_missing, 0) AS work_missing,
    COALESCE(m.weight_missing, 0) AS weight_missing,
    EXTRACT(EPOCH FROM f.due_at - a.as_of) / 86400 AS days_to_next_due,
    f.weight AS next_weight,
    CASE WHEN f.handed_in THEN 1 WHEN NOT f.handed_in THEN 0 END AS next_handed_in,
    l.left_share,
    l.left_lately,
    CASE WHEN a.deprivation = '10-20' THEN '10-20%' ELSE a.deprivation END AS deprivation,
    CASE WHEN a.deprivation IS NOT NULL THEN CAST(a.deprivation ~ '^([0-9]|[1-9]0)-([1-9]0|100)%$' OR a.deprivation = '10-20' AS integer) END AS deprivation_readable,
    a.region,
    a.gender,
    a.age_band,
    a.disability
FROM asked AS a
LEFT JOIN leaving AS l ON l.course_id = a.course_id AND l.as_of = a.as_of
LEFT JOIN missing AS m ON m.position = a.position
LEFT JOIN following AS f ON f.position = a.position
