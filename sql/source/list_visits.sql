-- The visits of a delivery; one row per visit.
SELECT
    CAST(v.visit_id AS text) AS entity_id,
    v.client
FROM public.visits AS v
ORDER BY v.visit_id
