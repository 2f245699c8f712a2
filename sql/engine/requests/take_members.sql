-- Takes up to max_entities of a job's most urgent waiting cohort; one row per entity.
-- Of several, that which was asked for first.
-- As take_requests.sql does of requests of one entity: its gate, its as-of time, its locks. The request's row is held meanwhile, so that
-- one session at a time answers a cohort; those passed_over are its entities that another session holds.
-- Parameters: job, passed_over (array of entities), max_entities.
WITH gate AS MATERIALIZED (
    SELECT pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended('scorer.answers ' || :job, 0)) AS stands_open
),

cohort AS MATERIALIZED (
    SELECT q.request_id
    FROM scorer.requests AS q
    WHERE q.job = :job
      AND q.status = 'waiting'
      AND q.entities IS NOT NULL
      AND (q.expires_at IS NULL OR q.expires_at > clock_timestamp())
      AND (SELECT gate.stands_open FROM gate)
    ORDER BY
        q.priority DESC,
        q.request_id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
),

waiting AS MATERIALIZED (
    SELECT
        m.request_id,
        m.entity_id
    FROM scorer.request_entities AS m
    JOIN cohort AS c ON c.request_id = m.request_id
    WHERE m.outcome IS NULL
      AND m.entity_id <> ALL (CAST(:passed_over AS text []))
    ORDER BY m.entity_id
    LIMIT :max_entities
),

entities AS MATERIALIZED (
    SELECT
        e.entity_id,
        pg_catalog.pg_try_advisory_xact_lock(
            pg_catalog.hashtextextended('scorer.answers ' || :job || ' ' || e.entity_id, 1)
        ) AS ours
    FROM (SELECT DISTINCT w.entity_id FROM waiting AS w) AS e
)

SELECT
    w.request_id,
    w.entity_id,
    moment.as_of,
    e.ours
FROM waiting AS w
JOIN entities AS e ON e.entity_id = w.entity_id
CROSS JOIN (SELECT clock_timestamp() AS as_of OFFSET 0) AS moment
UNION ALL
SELECT
    NULL,
    NULL,
    NULL,
    false
FROM gate
WHERE NOT gate.stands_open
ORDER BY request_id
