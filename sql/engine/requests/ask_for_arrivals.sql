-- Requests scores of entities with at least min_observations new observations; one row per request.
-- Their arrivals are deleted. So are those older than forget_after: a scheduled run has seen them since. One session at a time does this
-- for a job; others go on without. Requests that people make come before these.
-- Parameters: job, min_observations, forget_after (interval).
WITH turn AS MATERIALIZED (
    SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('scorer.arrivals ' || :job, 0)) AS ours
),

enough AS (
    SELECT a.entity_id
    FROM scorer.arrivals AS a
    WHERE a.job = :job
    GROUP BY a.entity_id
    HAVING sum(a.observations) >= :min_observations
),

taken AS (
    DELETE FROM scorer.arrivals AS a
    WHERE a.job = :job
      AND (SELECT turn.ours FROM turn)
      AND (
          a.entity_id IN (SELECT e.entity_id FROM enough AS e)
          OR a.arrived_at < now() - CAST(:forget_after AS interval)
      )
    RETURNING
        a.entity_id,
        a.observations
)

INSERT INTO scorer.requests (job, entity_id, priority)
SELECT
    :job,
    t.entity_id,
    -1
FROM taken AS t
GROUP BY t.entity_id
HAVING sum(t.observations) >= :min_observations
RETURNING request_id
