-- Takes up to max_requests of a job's waiting requests of one entity; one row per request.
-- The most urgent come first, and of these the oldest. Skipped are those whose deadline has passed, those that other sessions hold, and
-- those passed_over. Each row has the as-of time of the answer, and whether the entity is taken (ours). That time is read within this
-- statement, so that it lies after the commit of every request that the statement sees, and of what was recorded before.
-- Nothing is waited for. While a run's work becomes visible (see wait_for_answers.sql) none can be taken: then there is one row, without a
-- request, that is not ours. One without a request that is ours says that a cohort waits (see take_members.sql). An entity that another
-- session answers for is not ours, since its score cannot be seen yet.
-- Parameters: job, passed_over (array of keys), max_requests.
WITH gate AS MATERIALIZED (
    SELECT pg_catalog.pg_try_advisory_xact_lock_shared(pg_catalog.hashtextextended('scorer.answers ' || :job, 0)) AS stands_open
),

waiting AS MATERIALIZED (
    SELECT
        q.request_id,
        q.entity_id
    FROM scorer.requests AS q
    WHERE q.job = :job
      AND q.status = 'waiting'
      AND q.entities IS NULL
      AND (q.expires_at IS NULL OR q.expires_at > clock_timestamp())
      AND q.request_id <> ALL (CAST(:passed_over AS bigint []))
      AND (SELECT gate.stands_open FROM gate)
    ORDER BY
        q.priority DESC,
        q.request_id
    LIMIT :max_requests
    FOR UPDATE SKIP LOCKED
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
UNION ALL
SELECT
    NULL,
    NULL,
    NULL,
    true
WHERE EXISTS (
    SELECT
    FROM scorer.requests AS q
    WHERE q.job = :job
      AND q.status = 'waiting'
      AND q.entities IS NOT NULL
      AND (q.expires_at IS NULL OR q.expires_at > clock_timestamp())
)
ORDER BY request_id
