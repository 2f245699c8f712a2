-- The visits whose observations name several clients; one row per visit.
SELECT
    o.visit_id,
    count(DISTINCT o.client) AS clients
FROM public.patient_observations AS o
WHERE o.visit_id IS NOT NULL
GROUP BY o.visit_id
HAVING count(DISTINCT o.client) > 1
ORDER BY o.visit_id
