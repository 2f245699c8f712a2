-- What was known of each entity as of its time: one row per observation, in no order. Rows without a date, or dated in the future, are
-- known too: the suite refuses them, with a reason. `same_client` is false where the observation names another client than its visit.
-- Parameters: entity_ids, as_ofs (arrays, one element per entity).
SELECT
    k.position,
    o.observation_id,
    o.observation_date,
    o.observation_type_code,
    o.observation_value,
    o.reference_range_min,
    o.reference_range_max,
    (o.client <> v.client) IS NOT TRUE AS same_client
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN public.visits AS v ON v.visit_id = CAST(k.entity_id AS bigint)
JOIN public.patient_observations AS o ON o.visit_id = v.visit_id
WHERE (COALESCE(o.recorded_at, o.observation_date) > k.as_of) IS NOT TRUE
