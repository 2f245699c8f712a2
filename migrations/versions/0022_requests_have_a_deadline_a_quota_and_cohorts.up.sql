-- A request is answered within its time or EXPIRED; whoever asks has a quota; many entities can be asked for in one row.

-- Deadline and progress.

ALTER TABLE scorer.requests
    ALTER COLUMN entity_id DROP NOT NULL,
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN entities integer,
    ADD COLUMN answered integer,
    ADD COLUMN scored integer,
    ADD COLUMN failed integer,
    ADD COLUMN absent integer,
    DROP CONSTRAINT requests_status_check,
    DROP CONSTRAINT requests_done_say_how,
    ADD CONSTRAINT requests_status_check CHECK (status IN ('waiting', 'done', 'cancelled', 'refused', 'expired')),
    ADD CONSTRAINT requests_done_say_how CHECK ((status = 'done' AND entities IS NULL) = (outcome IS NOT NULL)),
    ADD CONSTRAINT requests_of_one_or_of_many CHECK ((entity_id IS NULL) = (entities IS NOT NULL)),
    ADD CONSTRAINT requests_progress_adds_up CHECK (
        entities IS NULL
        OR (
            num_nulls(answered, scored, failed, absent) = 0
            AND least(scored, failed, absent) >= 0
            AND scored + failed + absent <= answered
            AND answered <= entities
            AND (status <> 'done' OR answered = entities)
        )
    ),
    ADD CONSTRAINT requests_answered_in_time CHECK (status <> 'done' OR expires_at IS NULL OR finished_at <= expires_at),
    ADD CONSTRAINT requests_expired_had_a_deadline CHECK (
        status <> 'expired' OR (expires_at IS NOT NULL AND expires_at <= finished_at)
    );
-- A row of one's own has 30 s. What the service asks for itself (arrivals, and what a recall asks for, as the owner) waits as long as it takes.
ALTER TABLE scorer.requests
    ALTER COLUMN expires_at SET DEFAULT CASE
        WHEN NOT pg_has_role(current_user, 'scorer_worker', 'MEMBER') AND NOT pg_has_role(current_user, 'scorer_owner', 'MEMBER')
            THEN clock_timestamp() + INTERVAL '30 s'
    END;
CREATE INDEX requests_by_login ON scorer.requests (requested_by, requested_at);
CREATE INDEX requests_cohorts ON scorer.requests (job, priority DESC, request_id) WHERE status = 'waiting' AND entities IS NOT NULL;
COMMENT ON TABLE scorer.requests IS 'Scores asked for by name: one row per request, of one entity or of a cohort of up to 10000.';
COMMENT ON COLUMN scorer.requests.entity_id IS 'Entity asked for; null for a cohort, whose entities are in scorer.request_entities.';
COMMENT ON COLUMN scorer.requests.status IS 'waiting, done, cancelled, refused or expired.';
COMMENT ON COLUMN scorer.requests.reason IS 'Why it was cancelled or refused, or expired.';
COMMENT ON COLUMN scorer.requests.expires_at IS 'Its deadline: what is not answered by then is expired, and never answered. Null: it has none.';
COMMENT ON COLUMN scorer.requests.entities IS 'Of a cohort: how many entities are asked for. Null for one entity.';
COMMENT ON COLUMN scorer.requests.answered IS 'Of a cohort: how many of them have ended, with a score or without.';
COMMENT ON COLUMN scorer.requests.scored IS 'Of a cohort: how many of those have a score, new or unchanged.';
COMMENT ON COLUMN scorer.requests.failed IS 'Of a cohort: how many could not be scored because of an error.';
COMMENT ON COLUMN scorer.requests.absent IS 'Of a cohort: how many are not there to be scored.';

CREATE TABLE scorer.request_entities (
    request_id bigint NOT NULL REFERENCES scorer.requests ON DELETE CASCADE,
    entity_id text NOT NULL CHECK (length(entity_id) <= 1000),
    outcome text CHECK (
        outcome IN ('SCORED', 'UNCHANGED', 'QUARANTINED', 'INSUFFICIENT', 'INDETERMINATE', 'FAILED', 'ABSENT', 'REFUSED')
    ),
    reason text,
    score_id bigint,
    answered_at timestamptz,
    PRIMARY KEY (request_id, entity_id),
    CHECK ((outcome IS NULL) = (answered_at IS NULL))
);
COMMENT ON TABLE scorer.request_entities IS 'The entities of each cohort that was asked for: one row per request and entity, gone with its request.';
COMMENT ON COLUMN scorer.request_entities.request_id IS 'Request.';
COMMENT ON COLUMN scorer.request_entities.entity_id IS 'Entity asked for.';
COMMENT ON COLUMN scorer.request_entities.outcome IS 'How it ended: SCORED, UNCHANGED (the current score stands), why there is no score, ABSENT or REFUSED. Null: it has not ended.';
COMMENT ON COLUMN scorer.request_entities.reason IS 'Why it was absent or refused.';
COMMENT ON COLUMN scorer.request_entities.score_id IS 'Ledger row that answers it, which may have left the ledger since.';
COMMENT ON COLUMN scorer.request_entities.answered_at IS 'When it ended.';

-- Quotas: how many requests (rows) a role may make within any 60 seconds.

CREATE TABLE scorer.quotas (
    role text PRIMARY KEY,
    per_minute integer NOT NULL CHECK (per_minute BETWEEN 0 AND 1000000),
    set_by text NOT NULL DEFAULT session_user,
    set_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO scorer.quotas (role, per_minute) VALUES ('scorer_requester', 10);
COMMENT ON TABLE scorer.quotas IS 'How many requests a role may make a minute: one row per role with a quota of its own. A login''s own row counts, else the highest of its groups, else that of scorer_requester.';
COMMENT ON COLUMN scorer.quotas.role IS 'Login, or a role that logins are members of.';
COMMENT ON COLUMN scorer.quotas.per_minute IS 'Requests within any 60 seconds, for each login.';
COMMENT ON COLUMN scorer.quotas.set_by IS 'Login that set it.';
COMMENT ON COLUMN scorer.quotas.set_at IS 'When.';

CREATE TABLE scorer.quota_turns (
    login text PRIMARY KEY,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE scorer.quota_turns IS 'One row per login that has asked: held by its session that is asking, so that two are counted one after the other.';
COMMENT ON COLUMN scorer.quota_turns.login IS 'Login.';
COMMENT ON COLUMN scorer.quota_turns.asked_at IS 'When it last asked.';

-- The row of quota_turns is written, not merely locked: a session whose snapshot is older than another's request then fails instead of
-- overlooking that request.
CREATE FUNCTION scorer.require_quota(asked bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who CONSTANT text := session_user;
    since timestamptz;
    most integer;
    hinders timestamptz;
BEGIN
    IF asked = 0 OR pg_has_role(who, 'scorer_worker', 'MEMBER') THEN
        RETURN;
    END IF;
    SELECT q.per_minute INTO most
    FROM scorer.quotas AS q
    JOIN pg_roles AS r ON r.rolname = q.role
    WHERE pg_has_role(who, r.oid, 'MEMBER')
    ORDER BY
        q.role = who DESC,
        q.role = 'scorer_requester',
        q.per_minute DESC
    LIMIT 1;
    most := COALESCE(most, 10);
    IF asked > most THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            CONSTRAINT = 'quota',
            MESSAGE = quote_ident(who) || ' may make ' || most || ' requests a minute and makes ' || asked
                || ' at once; ' || CASE
                    WHEN most = 0 THEN 'an approver sets another quota (scorer quota)'
                    ELSE 'ask for many entities in one request (scorer.request_cohort, scorer request --cohort)'
                END;
    END IF;
    INSERT INTO scorer.quota_turns AS t (login) VALUES (who)
    ON CONFLICT (login) DO UPDATE SET asked_at = clock_timestamp();
    since := clock_timestamp() - INTERVAL '1 minute';
    -- The newest of the requests that must be older than a minute. What a recall asks for in the login's name has no deadline, and counts not.
    SELECT q.requested_at INTO hinders
    FROM scorer.requests AS q
    WHERE q.requested_by = who
      AND q.requested_at > since
      AND q.expires_at IS NOT NULL
    ORDER BY q.requested_at DESC
    OFFSET most
    LIMIT 1;
    IF hinders IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            CONSTRAINT = 'quota',
            MESSAGE = quote_ident(who) || ' may make ' || most || ' requests a minute and has made them; wait '
                || GREATEST(1, LEAST(60, ceil(EXTRACT(EPOCH FROM hinders - since))))::integer || ' s';
    END IF;
END
$$;
COMMENT ON FUNCTION scorer.require_quota(bigint) IS 'Raises where this login has made more requests in the last minute than its quota, those asked for just now included; members of scorer_worker have none.';

CREATE FUNCTION scorer.set_quota(for_role text, requests_a_minute integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = for_role) THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'there is no role ' || COALESCE(quote_literal(for_role), 'null') || ' in this server';
    END IF;
    IF requests_a_minute NOT BETWEEN 0 AND 1000000 THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'a quota is a number of requests a minute, from 0 to 1000000';
    END IF;
    IF requests_a_minute IS NULL AND for_role <> 'scorer_requester' THEN
        DELETE FROM scorer.quotas WHERE role = for_role;
    ELSE
        INSERT INTO scorer.quotas (role, per_minute) VALUES (for_role, COALESCE(requests_a_minute, 10))
        ON CONFLICT (role) DO UPDATE
        SET per_minute = EXCLUDED.per_minute,
            set_by = EXCLUDED.set_by,
            set_at = EXCLUDED.set_at;
    END IF;
    RETURN requests_a_minute;
END
$$;
COMMENT ON FUNCTION scorer.set_quota(text, integer) IS 'Sets how many requests a minute a role may make; null: what it would without a row of its own, which for scorer_requester is 10.';

-- Asking. All that is asked for passes scorer.require_entities, by whichever way.

CREATE FUNCTION scorer.require_entities(for_job text, entities text []) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
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
END
$$;
COMMENT ON FUNCTION scorer.require_entities(text, text []) IS 'Raises where the entities may not be asked for: more than 10000, or an id that is null or too long.';

CREATE FUNCTION scorer.deadline(timeout interval, otherwise interval) RETURNS timestamptz
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF timeout NOT BETWEEN INTERVAL '0' AND INTERVAL '1 day' THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'the time to answer a request is from 0 to 86400 s';
    END IF;
    RETURN clock_timestamp() + COALESCE(timeout, otherwise);
END
$$;
COMMENT ON FUNCTION scorer.deadline(interval, interval) IS 'When a request that may take so long expires; where it is null, after the other time.';

CREATE FUNCTION scorer.request_scores(for_job text, asked_for text [], timeout interval DEFAULT NULL) RETURNS SETOF bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM scorer.require_entities(for_job, asked_for);
    RETURN QUERY
    INSERT INTO scorer.requests (job, entity_id, expires_at)
    SELECT
        for_job,
        asked.entity_id,
        scorer.deadline(timeout, INTERVAL '30 s')
    FROM unnest(asked_for) AS asked (entity_id)
    RETURNING request_id;
    PERFORM scorer.require_quota(COALESCE(cardinality(asked_for), 0));
END
$$;
COMMENT ON FUNCTION scorer.request_scores(text, text [], interval) IS 'Asks for scores of entities, as known when they are answered, a request for each; gives their keys. Each expires after the timeout, 30 s by default.';

CREATE OR REPLACE FUNCTION scorer.request_score(for_job text, VARIADIC entities text []) RETURNS SETOF bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT scorer.request_scores(for_job, entities)
$$;
COMMENT ON FUNCTION scorer.request_score(text, text []) IS 'Asks for scores of entities, as known when they are answered, 10000 at the most; gives the keys of the requests, one for each, which expire after 30 s. SELECT scorer.request_score(''job'', ''entity''). Many in one request: scorer.request_cohort.';

CREATE FUNCTION scorer.request_cohort(for_job text, asked_for text [], timeout interval DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    cohort CONSTANT text [] := ARRAY(SELECT DISTINCT a.entity_id FROM unnest(asked_for) AS a (entity_id));
    asked bigint;
BEGIN
    IF cardinality(cohort) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'the cohort asked for has no entity';
    END IF;
    PERFORM scorer.require_entities(for_job, cohort);
    INSERT INTO scorer.requests (job, entities, answered, scored, failed, absent, expires_at)
    VALUES (
        for_job,
        cardinality(cohort),
        0,
        0,
        0,
        0,
        scorer.deadline(timeout, ceil(cardinality(cohort) / 1000.0)::integer * INTERVAL '30 s')
    )
    RETURNING request_id INTO asked;
    INSERT INTO scorer.request_entities (request_id, entity_id)
    SELECT
        asked,
        c.entity_id
    FROM unnest(cohort) AS c (entity_id);
    PERFORM scorer.require_quota(1);
    RETURN asked;
END
$$;
COMMENT ON FUNCTION scorer.request_cohort(text, text [], interval) IS 'Asks for scores of up to 10000 entities in one request, and gives its key. It expires after the timeout, by default 30 s for each 1000 entities begun. SELECT scorer.request_cohort(''job'', ARRAY(SELECT ...)).';

-- Not the definer's but the caller's rights: a predicate is the caller's own text, and sees and does what the caller may. As a function that
-- is STABLE, with one statement, it writes nothing.
CREATE FUNCTION scorer.find_cohort(for_job text, predicate text) RETURNS SETOF text
LANGUAGE plpgsql STABLE SECURITY INVOKER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN QUERY EXECUTE
        'SELECT c.entity_id FROM (SELECT * FROM reporting.current_scores AS s WHERE s.job = $1) AS c WHERE (' || E'\n'
        || predicate || E'\n' || ') GROUP BY c.entity_id ORDER BY c.entity_id'
    USING for_job;
END
$$;
COMMENT ON FUNCTION scorer.find_cohort(text, text) IS 'The entities of a job whose row of reporting.current_scores a predicate holds of, with the rights of who calls it.';

CREATE FUNCTION scorer.judge_requests() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The functions above, as the owner, have judged already; the service asks as often as it needs to.
    IF pg_has_role(current_user, 'scorer_worker', 'MEMBER') OR pg_has_role(current_user, 'scorer_owner', 'MEMBER') THEN
        RETURN NULL;
    END IF;
    PERFORM scorer.require_entities(n.job, array_agg(n.entity_id)) FROM asked AS n GROUP BY n.job;
    PERFORM scorer.require_quota(count(*)) FROM asked;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.judge_requests() IS 'Judges rows that a requester inserts as the functions judge what they are asked for: entities and quota.';
CREATE TRIGGER requests_judged AFTER INSERT ON scorer.requests REFERENCING NEW TABLE AS asked
FOR EACH STATEMENT EXECUTE FUNCTION scorer.judge_requests();

CREATE FUNCTION scorer.why_expired(request scorer.requests) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'not answered within ' || trim_scale(round(EXTRACT(EPOCH FROM request.expires_at - request.requested_at)::numeric, 2)) || ' s'
        || CASE WHEN request.entities IS NULL THEN '' ELSE ', but for ' || request.answered || ' of ' || request.entities || ' entities' END
$$;
COMMENT ON FUNCTION scorer.why_expired(scorer.requests) IS 'What a request that has expired says.';

CREATE FUNCTION scorer.expire_requests() RETURNS TABLE (request_id bigint, job text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    UPDATE scorer.requests AS q
    SET
        status = 'expired',
        finished_at = clock_timestamp(),
        reason = scorer.why_expired(q)
    FROM (
        SELECT w.request_id
        FROM scorer.requests AS w
        WHERE w.status = 'waiting'
          AND w.expires_at <= clock_timestamp()
        FOR UPDATE SKIP LOCKED
    ) AS late
    WHERE q.request_id = late.request_id
    RETURNING
        q.request_id,
        q.job
$$;
COMMENT ON FUNCTION scorer.expire_requests() IS 'Marks requests whose deadline has passed as expired, but for those that are being answered this moment; gives the key and job of each.';

-- What reporting tools read.

CREATE OR REPLACE VIEW reporting.requests AS
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
    EXTRACT(EPOCH FROM q.finished_at - q.requested_at)::double precision * 1000 AS latency_ms,
    q.expires_at,
    q.entities,
    q.answered,
    q.scored,
    q.failed,
    q.absent
FROM scorer.requests AS q
WHERE q.requested_by = session_user
   OR (
       SELECT
           pg_has_role(session_user, 'scorer_owner', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_worker', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_approver', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_reader', 'MEMBER')
   );
COMMENT ON VIEW reporting.requests IS 'One row per request, of one entity or of a cohort: what became of it, how long that took, and how far a cohort has come. Who may only ask (scorer_requester alone) sees his own.';

CREATE VIEW reporting.request_entities AS
SELECT
    e.request_id,
    q.job,
    e.entity_id,
    e.outcome,
    e.reason,
    e.score_id,
    e.answered_at
FROM scorer.request_entities AS e
JOIN reporting.requests AS q ON q.request_id = e.request_id;
COMMENT ON VIEW reporting.request_entities IS 'One row per entity of a cohort that was asked for, and how it ended. Who may only ask sees those of his own requests.';

CREATE OR REPLACE VIEW reporting.request_statistics AS
SELECT
    q.job,
    count(*) FILTER (WHERE q.status = 'waiting') AS waiting,
    min(q.requested_at) FILTER (WHERE q.status = 'waiting') AS oldest_waiting_at,
    count(*) FILTER (WHERE q.status = 'done') AS done,
    count(*) FILTER (WHERE q.status = 'refused') AS refused,
    count(*) FILTER (WHERE q.status = 'cancelled') AS cancelled,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS p50_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS p95_ms,
    percentile_cont(0.99) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS p99_ms,
    count(*) FILTER (WHERE q.status = 'expired') AS expired,
    count(*) FILTER (WHERE q.entities IS NOT NULL) AS cohorts,
    COALESCE(sum(q.entities - q.answered) FILTER (WHERE q.status = 'waiting'), 0)::bigint AS cohort_entities_waiting
FROM (
    SELECT
        r.job,
        r.status,
        r.requested_at,
        r.entities,
        r.answered,
        EXTRACT(EPOCH FROM r.finished_at - r.requested_at)::double precision * 1000 AS latency_ms
    FROM scorer.requests AS r
) AS q
WHERE q.requested_at > now() - INTERVAL '1 day'
   OR q.status = 'waiting'
GROUP BY q.job;
COMMENT ON VIEW reporting.request_statistics IS 'One row per job: the requests of the last 24 hours and all that wait, with the latency in milliseconds of those of one entity.';

CREATE VIEW reporting.quotas AS
SELECT
    q.role,
    q.per_minute,
    q.set_by,
    q.set_at
FROM scorer.quotas AS q;
COMMENT ON VIEW reporting.quotas IS 'One row per role with a quota of its own: how many requests each of its logins may make within any 60 seconds.';

-- Who may do what.

REVOKE ALL ON FUNCTION
    scorer.require_quota(bigint),
    scorer.set_quota(text, integer),
    scorer.require_entities(text, text []),
    scorer.deadline(interval, interval),
    scorer.request_scores(text, text [], interval),
    scorer.request_cohort(text, text [], interval),
    scorer.find_cohort(text, text),
    scorer.judge_requests(),
    scorer.expire_requests(),
    scorer.why_expired(scorer.requests)
FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    scorer.require_quota(bigint),
    scorer.require_entities(text, text []),
    scorer.request_scores(text, text [], interval),
    scorer.request_cohort(text, text [], interval),
    scorer.find_cohort(text, text),
    scorer.expire_requests()
TO scorer_requester, scorer_worker;
GRANT EXECUTE ON FUNCTION scorer.set_quota(text, integer) TO scorer_approver;
GRANT EXECUTE ON FUNCTION scorer.why_expired(scorer.requests) TO scorer_worker;
GRANT SELECT, UPDATE ON scorer.request_entities TO scorer_worker;
GRANT SELECT ON scorer.quotas, scorer.quota_turns TO scorer_worker;
GRANT SELECT (expires_at) ON scorer.requests TO scorer_requester;
GRANT SELECT ON reporting.request_entities, reporting.quotas TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
