-- What the hormones of scored women have shown: one row per score, with the label as landmarks.sql has it.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), results_after.
SELECT
    k.position,
    t.hyperandrogenism AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN pcos.examinations AS x ON x.user_id = k.entity_id AND x.examined_at = k.as_of - CAST(:results_after AS interval)
JOIN pcos.outcomes AS t ON t.exam_id = x.exam_id
