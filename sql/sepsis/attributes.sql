-- What is known of each visit beside its observations: one row per entity.
-- The ids stand in an ARRAY of a SELECT, whose length the planner does not know: it looks each up by its key, and never reads the whole
-- table for them.
-- Where visits has no column facility, `facility` without a table is that of `none`, NULL: a name is looked for in the inner query first,
-- and in the outer one if it is not there. A facility may be known by a number, too.
-- Parameters: entity_ids, as_ofs (arrays, one element per entity).
SELECT known.*
FROM (SELECT CAST(NULL AS text) AS facility) AS none
CROSS JOIN LATERAL (
    SELECT
        k.position,
        v.client,
        v.admitted_at,
        v.age_years,
        v.sex,
        v.unit,
        CAST(facility AS text) AS facility,
        v.hours_before_icu
    FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
    JOIN public.visits AS v ON v.visit_id = CAST(k.entity_id AS bigint)
    WHERE v.visit_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS bigint []))))
) AS known
