-- What has become of scored reports: one row per score whose report has a condition, as landmarks.sql has it.
-- Parameters: entity_ids, as_ofs (arrays, one element per score).
SELECT
    k.position,
    NULLIF(c.condition, 'two or more') AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN symptoms.conditions AS c ON c.report_id = CAST(k.entity_id AS bigint)
