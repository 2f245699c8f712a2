-- What is known of each visit beside its observations: one row per entity.
-- Parameters: entity_ids, as_ofs (arrays, one element per entity).
SELECT
    k.position,
    v.client,
    v.admitted_at,
    v.age_years,
    v.sex,
    v.unit,
    v.hours_before_icu
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN public.visits AS v ON v.visit_id = CAST(k.entity_id AS bigint)
