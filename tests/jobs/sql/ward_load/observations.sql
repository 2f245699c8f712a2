-- The counts of each ward as of its time: one row per count. They have no reference ranges.
-- Parameters: entity_ids, as_ofs (arrays, one element per entity).
SELECT
    k.position,
    CAST(c.count_id AS text) AS observation_id,
    c.counted_at AS observation_date,
    c.what AS observation_type_code,
    c.how_many AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN wards.counts AS c ON c.ward = k.entity_id
WHERE c.counted_at <= k.as_of
