-- What was known of each woman as of her time: one row per answer and per measurement of her newest examination, and BMI_SELF, the body mass
-- index (kg/m2) of each weight that she tells, by the height that she tells; remembered weights stand at the time that they are about.
-- answered is false where she refused or did not know, which is coded 7, 77, 777 ... or 9, 99, 999 ... by the width of the answer; a hormone
-- is given with is_hormone = true: testosterone, SHBG and estradiol are the label. Both are NULL in all other rows.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per woman), results_after.
WITH examined AS MATERIALIZED (
    SELECT
        k.position,
        k.as_of,
        k.known_at,
        x.exam_id
    FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
    CROSS JOIN LATERAL (
        SELECT e.exam_id
        FROM pcos.examinations AS e
        WHERE e.user_id = k.entity_id
          AND e.examined_at <= k.as_of - CAST(:results_after AS interval)
        ORDER BY
            e.examined_at DESC,
            e.exam_id DESC
        LIMIT 1
    ) AS x
),

told AS MATERIALIZED (
    SELECT
        x.position,
        a.answer_id,
        a.exam_id,
        a.question,
        a.value,
        COALESCE(a.about_at, a.answered_at) AS about_at,
        a.answered_at,
        CASE
            WHEN a.question IN ('WEIGHT_SELF', 'WEIGHT_GREATEST', 'HEIGHT_SELF') THEN a.value NOT IN (777, 999, 7777, 9999)
            WHEN a.question IN ('MENARCHE_AGE', 'LAST_PERIOD_AGE', 'FIRST_BIRTH_AGE') THEN a.value NOT IN (77, 99, 777, 999)
            WHEN a.question IN ('PREGNANCIES', 'DELIVERIES', 'CESAREANS', 'LIVE_BIRTHS', 'SLEEP_HOURS') THEN a.value NOT IN (77, 99)
            ELSE a.value NOT IN (7, 9, 77, 99)
        END AS answered
    FROM examined AS x
    JOIN pcos.answers AS a ON a.exam_id = x.exam_id
    WHERE (a.answered_at > x.known_at) IS NOT TRUE
      AND (LEAST(COALESCE(a.about_at, a.answered_at), a.answered_at) > x.as_of) IS NOT TRUE
),

heights AS MATERIALIZED (
    SELECT
        t.position,
        max(t.value) AS inches,
        max(t.answered_at) AS answered_at
    FROM told AS t
    WHERE t.question = 'HEIGHT_SELF'
      AND t.value BETWEEN 48 AND 84
    GROUP BY t.position
)

SELECT
    t.position,
    'A' || t.answer_id AS observation_id,
    t.about_at AS observation_date,
    t.question AS observation_type_code,
    t.value AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    CASE WHEN NOT t.answered THEN false END AS answered,
    CAST(NULL AS boolean) AS is_hormone,
    t.answered_at AS recorded_at,
    COALESCE(t.answered_at, t.about_at) AS known_from
FROM told AS t
UNION ALL
SELECT
    t.position,
    'B' || t.answer_id AS observation_id,
    t.about_at AS observation_date,
    'BMI_SELF' AS observation_type_code,
    t.value / (h.inches * h.inches) * 703.07 AS observation_value,
    NULL AS reference_range_min,
    NULL AS reference_range_max,
    NULL AS answered,
    NULL AS is_hormone,
    t.answered_at AS recorded_at,
    GREATEST(t.answered_at, h.answered_at) AS known_from
FROM told AS t
JOIN heights AS h ON h.position = t.position
WHERE t.question IN ('WEIGHT_SELF', 'WEIGHT_GREATEST')
  AND t.value BETWEEN 60 AND 700
UNION ALL
SELECT
    x.position,
    'M' || m.measurement_id AS observation_id,
    m.measured_at AS observation_date,
    m.code AS observation_type_code,
    m.value AS observation_value,
    NULL AS reference_range_min,
    NULL AS reference_range_max,
    NULL AS answered,
    CASE WHEN m.code IN ('TESTOSTERONE', 'SHBG', 'ESTRADIOL', 'FREE_ANDROGEN_INDEX') THEN true END AS is_hormone,
    m.recorded_at,
    COALESCE(m.recorded_at, m.measured_at) AS known_from
FROM examined AS x
JOIN pcos.measurements AS m ON m.exam_id = x.exam_id
WHERE (COALESCE(m.recorded_at, m.measured_at) > x.known_at) IS NOT TRUE
  AND (LEAST(m.measured_at, m.recorded_at) > x.as_of) IS NOT TRUE
