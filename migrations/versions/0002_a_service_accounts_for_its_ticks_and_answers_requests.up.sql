-- What the daemon keeps: ticks, breakers, its own heartbeat; requests with their answers, and rows that arrive as a stream.
-- Locks no table that holds rows for longer than a moment: new columns without a rewrite, and tables that are new.

CREATE TABLE scorer.ticks (
    job text NOT NULL,
    scheduled_for timestamptz NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('ran', 'late', 'missed')),
    reason text,
    schedule text NOT NULL,
    run_id bigint REFERENCES scorer.runs,
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL,
    PRIMARY KEY (job, scheduled_for),
    CONSTRAINT ticks_run CHECK ((outcome = 'missed') = (run_id IS NULL)),
    CONSTRAINT ticks_say_why CHECK (outcome = 'ran' OR reason IS NOT NULL)
);
COMMENT ON TABLE scorer.ticks IS 'One row per expected firing of a job: it ran, ran late, or was missed, and why. Written by whichever daemon is first, once.';
COMMENT ON COLUMN scorer.ticks.job IS 'Job.';
COMMENT ON COLUMN scorer.ticks.scheduled_for IS 'When the schedule wanted it.';
COMMENT ON COLUMN scorer.ticks.outcome IS 'ran, late or missed.';
COMMENT ON COLUMN scorer.ticks.reason IS 'Why it was late or missed.';
COMMENT ON COLUMN scorer.ticks.schedule IS 'Schedule of the job by which it was expected: cron expression and time zone.';
COMMENT ON COLUMN scorer.ticks.run_id IS 'The run it set off; null where it was missed.';
COMMENT ON COLUMN scorer.ticks.recorded_at IS 'When this was settled.';
COMMENT ON COLUMN scorer.ticks.recorded_by IS 'Daemon that settled it.';
CREATE INDEX ticks_missed ON scorer.ticks (job, recorded_at) WHERE outcome = 'missed';

CREATE TABLE scorer.breakers (
    job text PRIMARY KEY,
    failures integer NOT NULL,
    reason text NOT NULL,
    last_failed_at timestamptz NOT NULL DEFAULT now(),
    opened_at timestamptz,
    next_try_at timestamptz,
    CONSTRAINT breakers_open CHECK ((opened_at IS NULL) = (next_try_at IS NULL)),
    CONSTRAINT breakers_failures CHECK (failures > 0)
);
COMMENT ON TABLE scorer.breakers IS 'Jobs whose scheduled runs keep failing: one row per job, gone with the next run that succeeds.';
COMMENT ON COLUMN scorer.breakers.job IS 'Job.';
COMMENT ON COLUMN scorer.breakers.failures IS 'Failed runs in a row.';
COMMENT ON COLUMN scorer.breakers.reason IS 'Why the last of them failed, in one sentence.';
COMMENT ON COLUMN scorer.breakers.last_failed_at IS 'When that was.';
COMMENT ON COLUMN scorer.breakers.opened_at IS 'Since when the job claims nothing; null while it is still tried at every tick.';
COMMENT ON COLUMN scorer.breakers.next_try_at IS 'When it is tried again, once; null while it is tried at every tick.';

CREATE TABLE scorer.daemons (
    daemon text PRIMARY KEY,
    version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    beat_at timestamptz NOT NULL DEFAULT now(),
    ready boolean NOT NULL,
    detail text NOT NULL
) WITH (fillfactor = 50);
COMMENT ON TABLE scorer.daemons IS 'Daemons at work: one row each, renewed every few seconds, gone when it stops.';
COMMENT ON COLUMN scorer.daemons.daemon IS 'Host and process.';
COMMENT ON COLUMN scorer.daemons.version IS 'Version of the program.';
COMMENT ON COLUMN scorer.daemons.started_at IS 'When it began.';
COMMENT ON COLUMN scorer.daemons.beat_at IS 'When it was last seen at work.';
COMMENT ON COLUMN scorer.daemons.ready IS 'Whether it can score.';
COMMENT ON COLUMN scorer.daemons.detail IS 'What it does, or why it is not ready.';

ALTER TABLE scorer.requests
    ALTER COLUMN requested_at SET DEFAULT clock_timestamp(),
    ADD COLUMN priority smallint NOT NULL DEFAULT 0,
    ADD COLUMN outcome text CHECK (
        outcome IN ('SCORED', 'UNCHANGED', 'QUARANTINED', 'INSUFFICIENT', 'INDETERMINATE', 'FAILED')
    ),
    ADD COLUMN run_id bigint,
    ADD CONSTRAINT requests_entity_id_is_short CHECK (length(entity_id) <= 1000),
    ADD CONSTRAINT requests_priority_is_modest CHECK (priority BETWEEN -100 AND 100),
    ADD CONSTRAINT requests_done_say_how CHECK ((status = 'done') = (outcome IS NOT NULL)),
    ADD CONSTRAINT requests_refused_say_why CHECK (status <> 'refused' OR reason IS NOT NULL);
CREATE INDEX requests_by_time ON scorer.requests (requested_at);
DROP INDEX scorer.requests_waiting;
CREATE INDEX requests_waiting ON scorer.requests (job, priority DESC, request_id) WHERE status = 'waiting';
CREATE INDEX requests_by_run ON scorer.requests (run_id) WHERE run_id IS NOT NULL;
COMMENT ON COLUMN scorer.requests.priority IS 'Higher first, from -100 to 100.';
COMMENT ON COLUMN scorer.requests.outcome IS 'How the entity ended: SCORED, UNCHANGED (the current score stands) or why there is no score.';
COMMENT ON COLUMN scorer.requests.run_id IS 'Run that answered it.';
COMMENT ON COLUMN scorer.requests.score_id IS 'Ledger row that answers it: the new one, or the one that stands.';
COMMENT ON TABLE scorer.validation_results IS 'What each rule of each suite found: one row per batch and rule; counts, no patient''s value. Of runs that answer requests, only the rules that found something.';

CREATE TABLE scorer.arrivals (
    arrival_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    entity_id text NOT NULL,
    observations integer NOT NULL,
    arrived_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX arrivals_by_entity ON scorer.arrivals (job, entity_id);
COMMENT ON TABLE scorer.arrivals IS 'New observations counted by a trigger on the source table, where a site installed one: one row per statement and entity, gone once the entity is asked for.';
COMMENT ON COLUMN scorer.arrivals.arrival_id IS 'Key.';
COMMENT ON COLUMN scorer.arrivals.job IS 'Job that wants to know.';
COMMENT ON COLUMN scorer.arrivals.entity_id IS 'Entity that they are of.';
COMMENT ON COLUMN scorer.arrivals.observations IS 'How many.';
COMMENT ON COLUMN scorer.arrivals.arrived_at IS 'When.';

-- Requests: asked for by a row or by a function; either wakes the daemons.

CREATE FUNCTION scorer.announce_requests() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown text;
BEGIN
    SELECT min(n.job) INTO unknown
    FROM asked AS n
    WHERE NOT EXISTS (SELECT FROM scorer.job_versions AS v WHERE v.job = n.job)
      AND NOT EXISTS (SELECT FROM scorer.model_versions AS v WHERE v.job = n.job);
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'there is no job ' || quote_literal(left(unknown, 100)) || ' in this database; reporting.health has those there are';
    END IF;
    IF EXISTS (SELECT FROM asked) THEN
        PERFORM pg_notify('scorer_requests', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.announce_requests() IS 'Refuses requests of a job that is not there, and wakes the daemons for the others.';
CREATE TRIGGER requests_announced AFTER INSERT ON scorer.requests REFERENCING NEW TABLE AS asked
FOR EACH STATEMENT EXECUTE FUNCTION scorer.announce_requests();

CREATE FUNCTION scorer.announce_answers() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM answered) THEN
        PERFORM pg_catalog.pg_notify('scorer_answers', '');
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.announce_answers() IS 'Wakes those who wait for the end of their requests: answered, refused or cancelled.';
CREATE TRIGGER requests_answered AFTER UPDATE ON scorer.requests REFERENCING NEW TABLE AS answered
FOR EACH STATEMENT EXECUTE FUNCTION scorer.announce_answers();

CREATE FUNCTION scorer.request_score(for_job text, VARIADIC entities text []) RETURNS SETOF bigint
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

CREATE FUNCTION scorer.cancel_request(asked bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE scorer.requests
    SET status = 'cancelled',
        finished_at = clock_timestamp(),
        reason = 'cancelled by ' || session_user
    WHERE request_id = asked
      AND status = 'waiting'
      AND (requested_by = session_user OR pg_has_role(session_user, 'scorer_worker', 'MEMBER'));
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION scorer.cancel_request(bigint) IS 'Cancels a request that waits; false where it is answered already, or is somebody else''s. Only who asked may, and members of scorer_worker.';
REVOKE ALL ON FUNCTION
    scorer.announce_requests(),
    scorer.announce_answers(),
    scorer.request_score(text, text []),
    scorer.cancel_request(bigint)
FROM PUBLIC;

-- What a good neighbour looks at. Without pg_read_all_stats, which a superuser may grant to scorer_owner, all but the lock waits are null;
-- with it the worker gets to see these four numbers, and nobody's statements.

CREATE FUNCTION scorer.look_around(
    OUT active_sessions bigint, OUT replication_lag bigint, OUT lock_waits bigint, OUT longest_transaction interval
)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT
        CASE WHEN may.see THEN (
            SELECT count(*)
            FROM pg_stat_activity AS a
            WHERE a.backend_type = 'client backend'
              AND a.state = 'active'
              AND NOT starts_with(a.application_name, 'scorer')
        ) END,
        CASE WHEN may.see THEN (
            SELECT COALESCE(max(pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)), 0)::bigint
            FROM pg_stat_replication AS r
        ) END,
        (
            SELECT count(DISTINCT l.pid)
            FROM pg_locks AS l
            JOIN pg_stat_activity AS a ON a.pid = l.pid
            WHERE NOT l.granted
              AND starts_with(a.application_name, 'scorer')
        ),
        CASE WHEN may.see THEN (
            SELECT COALESCE(max(clock_timestamp() - a.xact_start), INTERVAL '0')
            FROM pg_stat_activity AS a
            WHERE a.backend_type = 'client backend'
              AND NOT starts_with(a.application_name, 'scorer')
        ) END
    FROM (SELECT pg_has_role('pg_read_all_stats', 'USAGE') AS see) AS may
$$;
COMMENT ON FUNCTION scorer.look_around() IS 'Sessions of others at work, bytes that the standby farthest behind has yet to replay, sessions of scorer that wait for a lock, age of the longest transaction of others. Null where scorer_owner lacks pg_read_all_stats.';
REVOKE ALL ON FUNCTION scorer.look_around() FROM PUBLIC;

-- What reporting tools read.

CREATE VIEW reporting.ticks AS
SELECT
    t.job,
    t.scheduled_for,
    t.outcome,
    t.reason,
    t.run_id,
    t.recorded_at,
    t.recorded_by
FROM scorer.ticks AS t;
COMMENT ON VIEW reporting.ticks IS 'One row per expected firing of a job: ran, late or missed, and why.';

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

CREATE VIEW reporting.health AS
SELECT
    j.job,
    alive.daemons > 0 AND b.opened_at IS NULL AND m.model_version IS NOT NULL AS ready,
    alive.daemons,
    alive.beat_at,
    m.model_version,
    last.run_id AS last_run_id,
    last.status AS last_status,
    last.started_at AS last_started_at,
    last.finished_at AS last_finished_at,
    good.finished_at AS last_success_at,
    tick.scheduled_for AS last_tick_at,
    tick.outcome AS last_tick,
    COALESCE(missed.ticks, 0) AS missed_last_day,
    missed.recorded_at AS last_missed_at,
    COALESCE(b.failures, 0) AS failures,
    b.opened_at AS breaker_opened_at,
    b.next_try_at AS breaker_next_try_at,
    b.reason AS breaker_reason,
    COALESCE(work.entities, 0) AS backlog,
    work.oldest_at AS backlog_since,
    COALESCE(asked.waiting, 0) AS requests_waiting,
    asked.oldest_at AS requests_since,
    COALESCE(current.valid, 0) AS valid,
    COALESCE(current.expiring, 0) AS expiring,
    COALESCE(current.stale, 0) AS stale,
    COALESCE(current.held, 0) AS held
FROM (
    SELECT v.job FROM scorer.job_versions AS v
    UNION
    SELECT v.job FROM scorer.model_versions AS v
) AS j
CROSS JOIN (
    SELECT
        count(*) FILTER (WHERE d.ready AND abs(EXTRACT(EPOCH FROM now() - d.beat_at)) < 60) AS daemons,
        max(d.beat_at) AS beat_at
    FROM scorer.daemons AS d
) AS alive
LEFT JOIN scorer.model_versions AS m ON m.job = j.job AND m.status = 'production'
LEFT JOIN scorer.breakers AS b ON b.job = j.job
LEFT JOIN LATERAL (
    SELECT r.run_id, r.status, r.started_at, r.finished_at
    FROM scorer.runs AS r
    WHERE r.job = j.job
      AND r.trigger <> 'request'
    ORDER BY r.run_id DESC
    LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
    SELECT r.finished_at
    FROM scorer.runs AS r
    WHERE r.job = j.job
      AND r.status = 'succeeded'
      AND r.trigger <> 'request'
    ORDER BY r.run_id DESC
    LIMIT 1
) AS good ON true
LEFT JOIN LATERAL (
    SELECT t.scheduled_for, t.outcome
    FROM scorer.ticks AS t
    WHERE t.job = j.job
    ORDER BY t.scheduled_for DESC
    LIMIT 1
) AS tick ON true
LEFT JOIN (
    SELECT t.job, count(*) AS ticks, max(t.recorded_at) AS recorded_at
    FROM scorer.ticks AS t
    WHERE t.outcome = 'missed'
      AND t.recorded_at > now() - INTERVAL '1 day'
    GROUP BY t.job
) AS missed ON missed.job = j.job
LEFT JOIN (
    SELECT w.job, count(*) AS entities, min(w.enqueued_at) AS oldest_at
    FROM scorer.work AS w
    GROUP BY w.job
) AS work ON work.job = j.job
LEFT JOIN (
    SELECT q.job, count(*) AS waiting, min(q.requested_at) AS oldest_at
    FROM scorer.requests AS q
    WHERE q.status = 'waiting'
    GROUP BY q.job
) AS asked ON asked.job = j.job
-- Joined from the left, so that whoever leaves these columns out does not pay for the counting.
LEFT JOIN (
    SELECT
        c.job,
        count(*) FILTER (WHERE c.valid_until > now()) AS valid,
        count(*) FILTER (WHERE c.valid_until > now() AND c.valid_until <= now() + INTERVAL '1 hour') AS expiring,
        count(*) FILTER (WHERE c.valid_until <= now()) AS stale,
        count(*) FILTER (WHERE c.status = 'QUARANTINED') AS held
    FROM scorer.current_scores AS c
    GROUP BY c.job
) AS current ON current.job = j.job;
COMMENT ON VIEW reporting.health IS 'One row per job: whether it can score now, its last run and tick, backlog, requests, and how many current scores are valid, stale, or expire within the hour.';

-- Who may do what.

CREATE INDEX runs_scheduled ON scorer.runs (job, run_id) WHERE trigger <> 'request';
GRANT SELECT ON scorer.ticks, scorer.breakers, scorer.daemons, scorer.arrivals TO scorer_worker;
GRANT INSERT ON scorer.ticks, scorer.breakers, scorer.daemons TO scorer_worker;
GRANT UPDATE, DELETE ON scorer.breakers, scorer.daemons TO scorer_worker;
GRANT UPDATE ON scorer.ticks TO scorer_worker;
GRANT DELETE ON scorer.arrivals TO scorer_worker;
GRANT INSERT (job, entity_id, priority) ON scorer.requests TO scorer_worker;
GRANT INSERT (priority) ON scorer.requests TO scorer_requester;
-- Whose score was asked for, and by whom, is for reporting.requests to tell; RETURNING request_id goes on.
REVOKE SELECT ON scorer.requests FROM scorer_requester;
GRANT SELECT (request_id, job, status, priority, requested_at, finished_at) ON scorer.requests TO scorer_requester;
GRANT SELECT ON scorer.alembic_version TO scorer_requester;
GRANT EXECUTE ON FUNCTION scorer.look_around() TO scorer_worker;
GRANT EXECUTE ON FUNCTION scorer.request_score(text, text []), scorer.cancel_request(bigint) TO scorer_requester, scorer_worker;
GRANT SELECT ON reporting.ticks, reporting.requests, reporting.request_statistics, reporting.health
TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
