-- Observations of visits that do not exist: one row per such visit_id (empty where the observation has none). The index on visit_id is
-- walked from one visit to the next, so that the cost is by visits, not by observations.
WITH RECURSIVE seen AS (
    (
        SELECT o.visit_id
        FROM public.patient_observations AS o
        ORDER BY o.visit_id
        LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT o.visit_id
        FROM public.patient_observations AS o
        WHERE o.visit_id > seen.visit_id
        ORDER BY o.visit_id
        LIMIT 1
    )
    FROM seen
    WHERE seen.visit_id IS NOT NULL
)

SELECT
    CAST(s.visit_id AS text) AS entity_id,
    (SELECT count(*) FROM public.patient_observations AS o WHERE o.visit_id = s.visit_id) AS observations
FROM seen AS s
WHERE s.visit_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM public.visits AS v WHERE v.visit_id = s.visit_id)
UNION ALL
SELECT
    '' AS entity_id,
    count(*) AS observations
FROM public.patient_observations AS o
WHERE o.visit_id IS NULL
HAVING count(*) > 0
