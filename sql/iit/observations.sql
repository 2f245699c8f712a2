-- What was known of each patient as of its time: one row per visit (VISIT), blood test (CD4_DONE, RNA_DONE), and day of contact after the
-- first, with the days since the one before (GAP). Any other concept is given as it stands, and the suite refuses it, as it does rows
-- without a date, or dated in the future.
-- A gap is counted from what was known when its own contact came to be known, so that no later row changes it.
-- A date has no time of day: contacts are taken to be at `noon`, and known from then on where nothing says when they were recorded.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per patient), zone, noon.
WITH keys AS MATERIALIZED (
    SELECT
        k.entity_id,
        k.as_of,
        k.known_at,
        k.position
    FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
),

contacts AS MATERIALIZED (
    SELECT
        k.position,
        k.entity_id,
        'V' || v.visit_id AS observation_id,
        v.visit_date AS on_date,
        (v.visit_date + CAST(:noon AS time)) AT TIME ZONE :zone AS observation_date,
        'VISIT' AS observation_type_code,
        v.recorded_at
    FROM keys AS k
    JOIN iit.visits AS v ON v.patient_uuid = k.entity_id
    WHERE (COALESCE(v.recorded_at, (v.visit_date + CAST(:noon AS time)) AT TIME ZONE :zone) > k.known_at) IS NOT TRUE
      AND (LEAST((v.visit_date + CAST(:noon AS time)) AT TIME ZONE :zone, v.recorded_at) > k.as_of) IS NOT TRUE
    UNION ALL
    SELECT
        k.position,
        k.entity_id,
        'O' || o.obs_id AS observation_id,
        o.obs_date AS on_date,
        (o.obs_date + CAST(:noon AS time)) AT TIME ZONE :zone AS observation_date,
        CASE o.concept WHEN 'CD4' THEN 'CD4_DONE' WHEN 'VIRAL_LOAD' THEN 'RNA_DONE' ELSE o.concept END AS observation_type_code,
        o.recorded_at
    FROM keys AS k
    JOIN iit.obs AS o ON o.patient_uuid = k.entity_id
    WHERE (COALESCE(o.recorded_at, (o.obs_date + CAST(:noon AS time)) AT TIME ZONE :zone) > k.known_at) IS NOT TRUE
      AND (LEAST((o.obs_date + CAST(:noon AS time)) AT TIME ZONE :zone, o.recorded_at) > k.as_of) IS NOT TRUE
),

days AS MATERIALIZED (
    SELECT
        c.position,
        c.entity_id,
        c.on_date,
        c.observation_date,
        min(COALESCE(c.recorded_at, c.observation_date)) AS known_from
    FROM contacts AS c
    WHERE c.observation_type_code IN ('VISIT', 'CD4_DONE', 'RNA_DONE')
      AND isfinite(c.on_date)
    GROUP BY
        c.position,
        c.entity_id,
        c.on_date,
        c.observation_date
)

SELECT
    c.position,
    c.observation_id,
    c.observation_date,
    c.observation_type_code,
    CAST(1 AS double precision) AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    COALESCE(c.recorded_at, c.observation_date) AS known_from
FROM contacts AS c
UNION ALL
SELECT
    d.position,
    'G' || d.on_date AS observation_id,
    d.observation_date,
    'GAP' AS observation_type_code,
    CAST(d.on_date - before.on_date AS double precision) AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    d.known_from
FROM days AS d
CROSS JOIN LATERAL (
    SELECT
        GREATEST(
            (
                SELECT max(v.visit_date)
                FROM iit.visits AS v
                WHERE v.patient_uuid = d.entity_id
                  AND v.visit_date < d.on_date
                  AND COALESCE(v.recorded_at, (v.visit_date + CAST(:noon AS time)) AT TIME ZONE :zone) <= d.known_from
            ),
            (
                SELECT max(o.obs_date)
                FROM iit.obs AS o
                WHERE o.patient_uuid = d.entity_id
                  AND o.obs_date < d.on_date
                  AND o.concept IN ('CD4', 'VIRAL_LOAD')
                  AND COALESCE(o.recorded_at, (o.obs_date + CAST(:noon AS time)) AT TIME ZONE :zone) <= d.known_from
            )
        ) AS on_date
) AS before
WHERE before.on_date IS NOT NULL
