-- Observations of visits that do not exist: one row per such visit_id (empty where the observation has none).
-- A sweep walks the index on visit_id from one visit to the next, so that the cost is by visits, not by observations. Any other run looks at
-- the newest 10,000 observations, and again at those visits that are known not to exist.
-- Parameters: sweep, entity_ids (array: visits that are known not to exist).
WITH RECURSIVE seen AS (
    (
        SELECT o.visit_id
        FROM public.patient_observations AS o
        WHERE CAST(:sweep AS boolean)
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
),

looked_at AS (
    SELECT seen.visit_id
    FROM seen
    UNION ALL
    (
        SELECT newest.visit_id
        FROM (
            SELECT o.visit_id
            FROM public.patient_observations AS o
            WHERE NOT CAST(:sweep AS boolean)
            ORDER BY o.observation_id DESC
            LIMIT 10000
        ) AS newest
        UNION
        SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
        FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
        WHERE NOT CAST(:sweep AS boolean)
          AND e.entity_id ~ '^-?[0-9]{1,19}$'
    )
),

orphans AS (
    SELECT
        k.visit_id,
        (SELECT count(*) FROM public.patient_observations AS o WHERE o.visit_id = k.visit_id) AS observations
    FROM looked_at AS k
    WHERE k.visit_id IS NOT NULL
      AND NOT EXISTS (SELECT FROM public.visits AS v WHERE v.visit_id = k.visit_id)
)

SELECT
    CAST(orphans.visit_id AS text) AS entity_id,
    orphans.observations
FROM orphans
WHERE orphans.observations > 0
UNION ALL
SELECT
    '' AS entity_id,
    count(*) AS observations
FROM public.patient_observations AS o
WHERE o.visit_id IS NULL
HAVING count(*) > 0
