-- What the hormones of scored women have shown: one row per score, with the label as landmarks.sql has it.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), results_after.
SELECT
    k.position,
    t.hyperandrogenism AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
CROSS JOIN LATERAL (
    SELECT x.exam_id
    FROM pcos.examinations AS x
    WHERE x.user_id = k.entity_id
      AND x.examined_at = k.as_of - CAST(:results_after AS interval)
    ORDER BY x.exam_id DESC
    LIMIT 1
) AS n
JOIN pcos.outcomes AS t ON t.exam_id = n.exam_id
