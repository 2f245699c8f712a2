-- What is known of each woman beside answers and measurements: one row per woman, of the examination as of which she is scored. ethnicity is
-- shown by subgroup, and is no feature.
-- Parameters: entity_ids, as_ofs (arrays, one element per woman), results_after.
SELECT
    k.position,
    x.age_years,
    x.income_ratio,
    x.ethnicity
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
CROSS JOIN LATERAL (
    SELECT
        e.age_years,
        e.income_ratio,
        e.ethnicity
    FROM pcos.examinations AS e
    WHERE e.user_id = k.entity_id
      AND e.examined_at <= k.as_of - CAST(:results_after AS interval)
    ORDER BY
        e.examined_at DESC,
        e.exam_id DESC
    LIMIT 1
) AS x
