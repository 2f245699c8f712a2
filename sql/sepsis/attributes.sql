-- What is known of each visit beside its observations: one row per entity.
-- The ids stand in an ARRAY of a SELECT, whose length the planner does not know: it looks each up by its key, and never reads the whole
-- table for them.
-- Where visits has no column facility, `facility` below is the NULL of `none`: a name without a table is looked for in the inner query
-- first, and in the outer one if it is not there.
-- Parameters: entity_ids, as_ofs (arrays, one element per entity).
SELECT
    k.position,
    v.client,
    v.admitted_at,
    v.age_years,
    v.sex,
    v.unit,
    f.facility,
    v.hours_before_icu
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN public.visits AS v ON v.visit_id = CAST(k.entity_id AS bigint)
CROSS JOIN (SELECT CAST(NULL AS text) AS facility) AS none
CROSS JOIN LATERAL (SELECT facility FROM (SELECT v.*) AS own) AS f
WHERE v.visit_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS bigint []))))
