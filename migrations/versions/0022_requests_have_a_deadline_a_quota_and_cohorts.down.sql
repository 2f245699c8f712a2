-- Takes away deadlines, quotas and cohorts. Requests that expired become refused ones; those of cohorts are deleted. Scores stay.

DROP VIEW reporting.quotas;
DROP VIEW reporting.request_statistics;
DROP VIEW reporting.request_entities;
DROP VIEW reporting.requests;
DROP FUNCTION scorer.expire_requests();
DROP FUNCTION scorer.why_expired(scorer.requests);
DROP TRIGGER requests_judged ON scorer.requests;
DROP FUNCTION scorer.judge_requests();
DROP FUNCTION scorer.find_cohort(text, text);
DROP FUNCTION scorer.request_cohort(text, text [], interval);

CREATE OR REPLACE FUNCTION scorer.request_score(for_job text, VARIADIC entities text []) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF cardinality(entities) > 10000 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'scores of ' || cardinality(entities) || ' entities are asked for at once; ask for at most 10000';
    END IF;
    IF EXISTS (SELECT FROM unnest(entities) AS asked (entity_id) WHERE length(asked.entity_id) > 1000) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'an entity asked for has an id of more than 1000 characters; give the id by which the job knows it';
    END IF;
    IF EXISTS (SELECT FROM unnest(entities) AS asked (entity_id) WHERE asked.entity_id IS NULL) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'an entity asked for is null; give the id by which the job knows it';
    END IF;
    RETURN QUERY
    INSERT INTO scorer.requests (job, entity_id)
    SELECT
        for_job,
        asked.entity_id
    FROM unnest(entities) AS asked (entity_id)
    RETURNING request_id;
END
$$;
COMMENT ON FUNCTION scorer.request_score(text, text []) IS 'Asks for scores of entities, as known when they are answered, 10000 at the most; gives the keys of the requests. SELECT scorer.request_score(''job'', ''entity'').';

DROP FUNCTION scorer.request_scores(text, text [], interval);
DROP FUNCTION scorer.deadline(interval, interval);
DROP FUNCTION scorer.require_entities(text, text []);
DROP FUNCTION scorer.set_quota(text, integer);
DROP FUNCTION scorer.require_quota(bigint);
DROP TABLE scorer.quota_turns;
DROP TABLE scorer.quotas;
DROP TABLE scorer.request_entities;
DROP INDEX scorer.requests_cohorts;
DROP INDEX scorer.requests_by_login;
REVOKE SELECT (expires_at) ON scorer.requests FROM scorer_requester;
DELETE FROM scorer.requests WHERE entities IS NOT NULL;
ALTER TABLE scorer.requests DROP CONSTRAINT requests_status_check;
UPDATE scorer.requests SET status = 'refused' WHERE status = 'expired';
ALTER TABLE scorer.requests
    DROP CONSTRAINT requests_expired_had_a_deadline,
    DROP CONSTRAINT requests_answered_in_time,
    DROP CONSTRAINT requests_progress_adds_up,
    DROP CONSTRAINT requests_of_one_or_of_many,
    DROP CONSTRAINT requests_done_say_how,
    DROP COLUMN expires_at,
    DROP COLUMN entities,
    DROP COLUMN answered,
    DROP COLUMN scored,
    DROP COLUMN failed,
    DROP COLUMN absent,
    ALTER COLUMN entity_id SET NOT NULL,
    ADD CONSTRAINT requests_status_check CHECK (status IN ('waiting', 'done', 'cancelled', 'refused')),
    ADD CONSTRAINT requests_done_say_how CHECK ((status = 'done') = (outcome IS NOT NULL));
COMMENT ON TABLE scorer.requests IS 'Scores asked for by name: one row per job and entity asked for.';
COMMENT ON COLUMN scorer.requests.entity_id IS 'Entity asked for.';
COMMENT ON COLUMN scorer.requests.status IS 'waiting, done, cancelled or refused.';
COMMENT ON COLUMN scorer.requests.reason IS 'Why it was cancelled or refused.';

CREATE VIEW reporting.requests AS
SELECT
    q.request_id,
    q.job,
    q.entity_id,
    q.status,
    q.outcome,
    q.reason,
    q.score_id,
    q.run_id,
    q.priority,
    q.requested_by,
    q.requested_at,
    q.finished_at,
    EXTRACT(EPOCH FROM q.finished_at - q.requested_at)::double precision * 1000 AS latency_ms
FROM scorer.requests AS q
WHERE q.requested_by = session_user
   OR (
       SELECT
           pg_has_role(session_user, 'scorer_owner', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_worker', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_approver', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_reader', 'MEMBER')
   );
COMMENT ON VIEW reporting.requests IS 'One row per request: what became of it, and how long that took. Who may only ask (scorer_requester alone) sees his own.';

CREATE VIEW reporting.request_statistics AS
SELECT
    q.job,
    count(*) FILTER (WHERE q.status = 'waiting') AS waiting,
    min(q.requested_at) FILTER (WHERE q.status = 'waiting') AS oldest_waiting_at,
    count(*) FILTER (WHERE q.status = 'done') AS done,
    count(*) FILTER (WHERE q.status = 'refused') AS refused,
    count(*) FILTER (WHERE q.status = 'cancelled') AS cancelled,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done') AS p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done') AS p95_ms,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done') AS p99_ms
FROM (
    SELECT
        r.job,
        r.status,
        r.requested_at,
        EXTRACT(EPOCH FROM r.finished_at - r.requested_at)::double precision * 1000 AS latency_ms
    FROM scorer.requests AS r
) AS q
WHERE q.requested_at > now() - INTERVAL '1 day'
   OR q.status = 'waiting'
GROUP BY q.job;
COMMENT ON VIEW reporting.request_statistics IS 'One row per job: the requests of the last 24 hours and all that wait, with their latency in milliseconds.';
GRANT SELECT ON reporting.requests, reporting.request_statistics TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
