-- The asked patients who are on treatment, as due.sql has it: one row per patient, as of the newest contact.
-- Parameters: entity_ids (array), as_of, zone, evening.
SELECT
    p.patient_uuid AS entity_id,
    GREATEST(c.as_of, TIMESTAMPTZ '1900-01-01 UTC') AS as_of
FROM iit.patients AS p
LEFT JOIN iit.programmes AS g ON g.programme = p.programme
CROSS JOIN LATERAL (
    SELECT
        w.on_date,
        w.as_of
    FROM (
        (
            SELECT
                v.visit_date AS on_date,
                GREATEST((v.visit_date + CAST(:evening AS time)) AT TIME ZONE :zone, v.recorded_at) AS as_of
            FROM iit.visits AS v
            WHERE v.patient_uuid = p.patient_uuid
              AND (v.visit_date < p.art_start) IS NOT TRUE
              AND (v.visit_date > g.complete_until) IS NOT TRUE
              AND GREATEST((v.visit_date + CAST(:evening AS time)) AT TIME ZONE :zone, v.recorded_at) <= CAST(:as_of AS timestamptz)
            ORDER BY v.visit_date DESC
            LIMIT 1
        )
        UNION ALL
        (
            SELECT
                o.obs_date AS on_date,
                GREATEST((o.obs_date + CAST(:evening AS time)) AT TIME ZONE :zone, o.recorded_at) AS as_of
            FROM iit.obs AS o
            WHERE o.patient_uuid = p.patient_uuid
              AND o.concept IN ('CD4', 'VIRAL_LOAD')
              AND (o.obs_date < p.art_start) IS NOT TRUE
              AND (o.obs_date > g.complete_until) IS NOT TRUE
              AND GREATEST((o.obs_date + CAST(:evening AS time)) AT TIME ZONE :zone, o.recorded_at) <= CAST(:as_of AS timestamptz)
            ORDER BY o.obs_date DESC
            LIMIT 1
        )
    ) AS w
    ORDER BY
        w.on_date DESC,
        w.as_of
    LIMIT 1
) AS c
WHERE p.patient_uuid = ANY (CAST(:entity_ids AS text []))
  AND (p.died_on BETWEEN c.on_date AND CAST(CAST(:as_of AS timestamptz) AT TIME ZONE :zone AS date)) IS NOT TRUE
  AND (p.transferred_on BETWEEN c.on_date AND CAST(CAST(:as_of AS timestamptz) AT TIME ZONE :zone AS date)) IS NOT TRUE
