-- What has become of scored patients: one row per score, with the label as landmarks.sql has it, counted from the day of the contact as of which
-- the score is, not from when that was recorded. The label is NULL where it cannot be known:
-- `horizon` days have not passed since, the tables are not complete so far, or the patient died or was transferred without having come.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), horizon, zone.
SELECT
    k.position,
    CASE
        WHEN s.on_date + CAST(:horizon AS integer) > COALESCE(g.complete_until, CAST(now() AT TIME ZONE :zone AS date) - 1) THEN NULL
        WHEN n.next_date <= LEAST(s.on_date + CAST(:horizon AS integer), e.ended_on) THEN 0
        WHEN e.ended_on <= s.on_date + CAST(:horizon AS integer) THEN NULL
        ELSE 1
    END AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN iit.patients AS p ON p.patient_uuid = k.entity_id
LEFT JOIN iit.programmes AS g ON g.programme = p.programme
CROSS JOIN LATERAL (
    SELECT
        COALESCE(
            GREATEST(
                (
                    SELECT max(v.visit_date)
                    FROM iit.visits AS v
                    WHERE v.patient_uuid = k.entity_id
                      AND v.visit_date <= CAST(k.as_of AT TIME ZONE :zone AS date)
                      AND (v.visit_date > g.complete_until) IS NOT TRUE
                      AND (v.recorded_at > k.as_of) IS NOT TRUE
                ),
                (
                    SELECT max(o.obs_date)
                    FROM iit.obs AS o
                    WHERE o.patient_uuid = k.entity_id
                      AND o.concept IN ('CD4', 'VIRAL_LOAD')
                      AND o.obs_date <= CAST(k.as_of AT TIME ZONE :zone AS date)
                      AND (o.obs_date > g.complete_until) IS NOT TRUE
                      AND (o.recorded_at > k.as_of) IS NOT TRUE
                )
            ),
            CAST(k.as_of AT TIME ZONE :zone AS date)
        ) AS on_date
) AS s
CROSS JOIN LATERAL (
    SELECT
        LEAST(
            CASE WHEN p.died_on > s.on_date THEN p.died_on END,
            CASE WHEN p.transferred_on > s.on_date THEN p.transferred_on END
        ) AS ended_on
) AS e
CROSS JOIN LATERAL (
    SELECT
        LEAST(
            (SELECT min(v.visit_date) FROM iit.visits AS v WHERE v.patient_uuid = k.entity_id AND v.visit_date > s.on_date),
            (
                SELECT min(o.obs_date)
                FROM iit.obs AS o
                WHERE o.patient_uuid = k.entity_id
                  AND o.obs_date > s.on_date
                  AND o.concept IN ('CD4', 'VIRAL_LOAD')
            )
        ) AS next_date
) AS n
