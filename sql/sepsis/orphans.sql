-- Observations of visits that do not exist: one row per such visit_id (empty where the observation has none).
-- A sweep looks into the gaps between one visit and the next, from the first that has observations to the last, so that the cost is by
-- visits, not by observations. Any other run looks at the newest 10,000 observations, and again at those visits that are known not to exist.
-- MATERIALIZED has observations counted for orphans alone; the planner would rather count those of every visit that is looked at.
-- Parameters: sweep, entity_ids (array: visits that are known not to exist).
WITH RECURSIVE observed AS MATERIALIZED (
    SELECT
        min(o.visit_id) AS first,
        max(o.visit_id) AS last
    FROM public.patient_observations AS o
    WHERE CAST(:sweep AS boolean)
),

gaps AS (
    SELECT
        CASE WHEN g.below IS NULL THEN -9223372036854775808 ELSE g.below + 1 END AS first,
        g.above
    FROM (
        SELECT
            v.visit_id AS below,
            lead(v.visit_id) OVER (ORDER BY v.visit_id) AS above
        FROM public.visits AS v
        WHERE CAST(:sweep AS boolean)
        UNION ALL
        SELECT
            NULL AS below,
            min(v.visit_id) AS above
        FROM public.visits AS v
        WHERE CAST(:sweep AS boolean)
    ) AS g
    WHERE CAST(:sweep AS boolean)
      AND g.below IS DISTINCT FROM 9223372036854775807
      AND CASE WHEN g.below IS NULL OR g.above IS NULL THEN true ELSE g.above - 1 > g.below END
      AND (g.below >= (SELECT b.last FROM observed AS b)) IS NOT TRUE
      AND (g.above <= (SELECT b.first FROM observed AS b)) IS NOT TRUE
),

in_gaps AS (
    SELECT
        g.above,
        (
            SELECT o.visit_id
            FROM public.patient_observations AS o
            WHERE o.visit_id >= g.first
            ORDER BY o.visit_id
            LIMIT 1
        ) AS visit_id
    FROM gaps AS g
    UNION ALL
    SELECT
        s.above,
        (
            SELECT o.visit_id
            FROM public.patient_observations AS o
            WHERE o.visit_id > s.visit_id
            ORDER BY o.visit_id
            LIMIT 1
        ) AS visit_id
    FROM in_gaps AS s
    WHERE s.visit_id < s.above
       OR (s.above IS NULL AND s.visit_id IS NOT NULL)
),

looked_at AS (
    SELECT s.visit_id
    FROM in_gaps AS s
    WHERE s.visit_id < s.above
       OR s.above IS NULL
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

orphans AS MATERIALIZED (
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
