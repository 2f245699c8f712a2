-- Who sees which facility. A job that publishes its entities' facility (`published` of job.toml names it) shows a login the rows of the
-- facilities granted to it, and of no other; whoever runs, approves or owns the scorer sees all, and so does everyone of the other jobs.
--
-- The reporting views read scorer.seen_<table> in the place of the table. That has two legs, of which a query has one: the table as it is,
-- for who sees all, and scorer.own_<table>, a security barrier, for the others. Which one it is, is known when the query is planned
-- (scorer.sees_all_as_planned is immutable in its session, which is a promise that scorer.still_sees_all keeps): the other leg is planned
-- away, so that whoever sees all has the plans that the table itself would give, indexes of expressions and joins by index among them.
-- Policies of tables would do neither: they need rights on the tables, which no reader has (security_invoker, from PostgreSQL 15 on), or a
-- second owner of the views; they keep indexes of expressions from who sees all; and our own sessions, which set row_security off so that
-- no policy hides a source table's rows from a run, would be refused by them.

ALTER TABLE scorer.job_versions ADD COLUMN facility text;
COMMENT ON COLUMN scorer.job_versions.facility IS 'Attribute by whose values it is decided who may see a row of the job: that of the facility, where job.toml names it under published. Empty: who may read the views may see all.';
UPDATE scorer.job_versions
SET facility = 'facility'
WHERE definition ->> 'job.toml' ~ '(^|\n)[ \t]*published[ \t]*=[ \t]*\[[^]]*["'']facility["'']';
CREATE INDEX job_versions_by_facility ON scorer.job_versions (job, registered_at, facility) WHERE facility IS NOT NULL;
GRANT UPDATE (facility) ON scorer.job_versions TO scorer_worker;

CREATE TABLE scorer.facility_grants (
    grant_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login text NOT NULL,
    job text,
    facility text CHECK (facility <> ''),
    given boolean NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT now(),
    done_by text NOT NULL DEFAULT session_user
);
CREATE INDEX facility_grants_by_login ON scorer.facility_grants (login, job, facility, grant_id DESC);
COMMENT ON TABLE scorer.facility_grants IS 'One row per time that a facility was granted to a login, or revoked; the newest one of a login, job and facility counts. Append-only.';
COMMENT ON COLUMN scorer.facility_grants.grant_id IS 'Key; ascending in the order of the changes.';
COMMENT ON COLUMN scorer.facility_grants.login IS 'Login, or role whose members are meant.';
COMMENT ON COLUMN scorer.facility_grants.job IS 'Job it is about; empty: all jobs.';
COMMENT ON COLUMN scorer.facility_grants.facility IS 'Facility; empty: all of them, and entities of none.';
COMMENT ON COLUMN scorer.facility_grants.given IS 'Whether it was granted; false: revoked.';
COMMENT ON COLUMN scorer.facility_grants.happened_at IS 'When.';
COMMENT ON COLUMN scorer.facility_grants.done_by IS 'Login that did it.';
CREATE TRIGGER facility_grants_append_only BEFORE UPDATE OR DELETE ON scorer.facility_grants FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER facility_grants_no_truncate BEFORE TRUNCATE ON scorer.facility_grants FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

-- What holds now, for the login itself or for a role that it is a member of. A login that is no more has nothing.
CREATE VIEW scorer.facilities_granted AS
SELECT
    g.login,
    g.job,
    g.facility,
    g.happened_at,
    g.done_by
FROM (
    SELECT DISTINCT ON (f.login, f.job, f.facility)
        f.login,
        f.job,
        f.facility,
        f.given,
        f.happened_at,
        f.done_by
    FROM scorer.facility_grants AS f
    ORDER BY f.login, f.job, f.facility, f.grant_id DESC
) AS g
WHERE g.given;
COMMENT ON VIEW scorer.facilities_granted IS 'One row per login, job (empty: all) and facility (empty: all) that is granted at present.';

-- Who sees what. Each asks session_user, which SET ROLE does not change.

CREATE FUNCTION scorer.sees_all() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF pg_has_role(session_user, 'scorer_worker', 'MEMBER')
        OR pg_has_role(session_user, 'scorer_approver', 'MEMBER')
        OR pg_has_role(session_user, 'scorer_owner', 'MEMBER')
        OR NOT EXISTS (SELECT FROM scorer.job_versions AS v WHERE v.facility IS NOT NULL) THEN
        RETURN true;
    END IF;
    RETURN EXISTS (
        SELECT FROM scorer.facilities_granted AS g
        JOIN pg_roles AS r ON r.rolname = g.login
        WHERE g.job IS NULL
          AND g.facility IS NULL
          AND pg_has_role(session_user, r.oid, 'MEMBER')
    );
END
$$;
COMMENT ON FUNCTION scorer.sees_all() IS 'Whether the login sees all rows of all jobs: a superuser, a member of scorer_worker, scorer_approver or scorer_owner, one to whom all was granted, or anybody while no job publishes a facility.';

CREATE FUNCTION scorer.sees_all_as_planned() RETURNS boolean
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RETURN scorer.sees_all();
END
$$;
COMMENT ON FUNCTION scorer.sees_all_as_planned() IS 'scorer.sees_all, asked once, when a query is planned. For the views scorer.seen_<table> alone, which ask again when it runs.';

CREATE FUNCTION scorer.still_sees_all() RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT scorer.sees_all() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'what login ' || session_user || ' may see has changed since this query was planned; prepare it again, or open a new session';
    END IF;
    RETURN true;
END
$$;
COMMENT ON FUNCTION scorer.still_sees_all() IS 'True; an error where a query was planned for a login that saw all, and it does so no more.';

CREATE FUNCTION scorer.seen_facilities() RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(
        jsonb_object_agg(
            j.job,
            jsonb_build_object('by', j.facility, 'all', granted.every, 'of', granted.facilities)
        ),
        '{}'
    )
    FROM (
        SELECT DISTINCT ON (v.job)
            v.job,
            v.facility
        FROM scorer.job_versions AS v
        WHERE v.facility IS NOT NULL
        ORDER BY v.job, v.registered_at DESC
    ) AS j
    CROSS JOIN LATERAL (
        SELECT
            COALESCE(bool_or(g.facility IS NULL), false) OR (SELECT scorer.sees_all()) AS every,
            COALESCE(jsonb_agg(g.facility) FILTER (WHERE g.facility IS NOT NULL), '[]') AS facilities
        FROM scorer.facilities_granted AS g
        JOIN pg_roles AS r ON r.rolname = g.login
        WHERE COALESCE(g.job, j.job) = j.job
          AND pg_has_role(session_user, r.oid, 'MEMBER')
    ) AS granted
$$;
COMMENT ON FUNCTION scorer.seen_facilities() IS 'By job that publishes a facility: the attribute (by), whether the login sees all of the job (all), and which facilities it sees (of).';

CREATE FUNCTION scorer.is_facility_seen(seen jsonb, for_job text, facility text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT CASE
        WHEN (seen -> for_job) IS NULL THEN true
        WHEN ((seen -> for_job) ->> 'all')::boolean THEN true
        ELSE COALESCE(((seen -> for_job) -> 'of') ? facility, false)
    END;
END;
COMMENT ON FUNCTION scorer.is_facility_seen(jsonb, text, text) IS 'Whether rows of a facility are seen, by what scorer.seen_facilities gives; those of an unknown one by who sees all of the job.';

CREATE FUNCTION scorer.is_seen(seen jsonb, for_job text, attributes jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT scorer.is_facility_seen(seen, for_job, attributes ->> ((seen -> for_job) ->> 'by'));
END;
COMMENT ON FUNCTION scorer.is_seen(jsonb, text, jsonb) IS 'Whether a row with these published attributes is seen, by what scorer.seen_facilities gives.';

CREATE FUNCTION scorer.is_facility_attribute(seen jsonb, for_job text, attribute text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
    SELECT COALESCE(attribute = ((seen -> for_job) ->> 'by'), false);
END;
COMMENT ON FUNCTION scorer.is_facility_attribute(jsonb, text, text) IS 'Whether an attribute is the one by which a job tells facilities apart.';

CREATE FUNCTION scorer.sees_whole(for_job text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT scorer.sees_all() OR scorer.is_seen(scorer.seen_facilities(), for_job, NULL)
$$;
COMMENT ON FUNCTION scorer.sees_whole(text) IS 'Whether the login sees all rows of a job, and so what sums over them.';

CREATE FUNCTION scorer.require_seen(for_job text, entities text []) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    seen jsonb;
    own jsonb;
    unseen text;
BEGIN
    IF scorer.sees_all() THEN
        RETURN;
    END IF;
    seen := scorer.seen_facilities();
    own := seen -> for_job;
    IF own IS NULL OR (own ->> 'all')::boolean THEN
        RETURN;
    END IF;
    IF own -> 'of' = '[]' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'login ' || session_user || ' may see no facility of job ' || for_job || '; an approver grants one by `scorer facility grant`';
    END IF;
    SELECT min(c.entity_id) INTO unseen
    FROM scorer.current_scores AS c
    WHERE c.job = for_job
      AND c.entity_id = ANY (entities)
      AND NOT scorer.is_seen(seen, c.job, c.attributes);
    IF unseen IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'entity ' || quote_literal(left(unseen, 100)) || ' of job ' || for_job || ' is of no facility that login ' || session_user
                || ' may see; `scorer facility list` shows which those are';
    END IF;
END
$$;
COMMENT ON FUNCTION scorer.require_seen(text, text []) IS 'Raises where the login may not ask about one of the entities: it is of a facility that the login does not see, or the login sees none of the job. One that was never judged may be asked for; what is answered of it is seen where it proves to be of such a facility.';

CREATE FUNCTION scorer.refuse_unseen() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM scorer.require_seen(n.job, array_agg(n.entity_id)) FROM asked AS n GROUP BY n.job;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.refuse_unseen() IS 'Refuses requests for entities of a facility that the login may not see.';
CREATE TRIGGER requests_seen AFTER INSERT ON scorer.requests REFERENCING NEW TABLE AS asked
FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_unseen();

CREATE FUNCTION scorer.refuse_unseen_entities() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM scorer.require_seen(q.job, array_agg(n.entity_id))
    FROM asked AS n
    JOIN scorer.requests AS q ON q.request_id = n.request_id
    GROUP BY q.job;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.refuse_unseen_entities() IS 'Refuses cohorts with entities of a facility that the login may not see.';
CREATE TRIGGER request_entities_seen AFTER INSERT ON scorer.request_entities REFERENCING NEW TABLE AS asked
FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_unseen_entities();

-- Granting and revoking.

CREATE FUNCTION scorer.require_facilities(of_login text, facilities text [], for_job text, is_new boolean) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    known text [];
    unknown text;
    told jsonb;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles AS r WHERE r.rolname = of_login) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'there is no login ' || quote_literal(of_login) || ' on this server; \du in psql shows those there are';
    END IF;
    SELECT jsonb_object_agg(v.job, v.facility) INTO told FROM scorer.job_versions AS v WHERE v.facility IS NOT NULL;
    IF for_job IS NOT NULL AND (told -> for_job) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'job ' || quote_literal(for_job) || ' tells no facilities apart: none of its versions that ran names the facility under published in '
                || 'job.toml; jobs that do: ' || COALESCE((SELECT string_agg(k, ', ' ORDER BY k) FROM jsonb_object_keys(told) AS k), 'none');
    END IF;
    IF facilities IS NULL OR is_new THEN
        RETURN;
    END IF;
    SELECT array_agg(DISTINCT found.facility ORDER BY found.facility) INTO known
    FROM (
        SELECT c.attributes ->> (told ->> c.job) AS facility
        FROM scorer.current_scores AS c
        WHERE told ? c.job
          AND c.job = COALESCE(for_job, c.job)
        UNION
        SELECT f.facility
        FROM scorer.feature_counts AS f
        WHERE told ? f.job
          AND f.job = COALESCE(for_job, f.job)
    ) AS found
    WHERE found.facility <> '';
    SELECT min(f) INTO unknown FROM unnest(facilities) AS f WHERE f <> ALL (COALESCE(known, '{}'));
    IF unknown IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'nothing judged so far is of facility ' || quote_literal(left(unknown, 100)) || '; there are: '
                || COALESCE(array_to_string(known [1:20], ', ') || CASE WHEN cardinality(known) > 20 THEN ' and more' ELSE '' END, 'none')
                || '; --new grants one that is still to come';
    END IF;
END
$$;
COMMENT ON FUNCTION scorer.require_facilities(text, text [], text, boolean) IS 'Refuses a login that is not there, a job that publishes no facility, and a facility that nothing is of, unless it is said to be new.';

CREATE FUNCTION scorer.grant_facilities(to_login text, facilities text [], for_job text, is_new boolean) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
BEGIN
    LOCK TABLE scorer.facility_grants IN SHARE ROW EXCLUSIVE MODE;
    PERFORM scorer.require_facilities(to_login, facilities, for_job, is_new);
    INSERT INTO scorer.facility_grants (login, job, facility, given)
    SELECT DISTINCT
        to_login,
        for_job,
        f.facility,
        true
    FROM unnest(COALESCE(facilities, ARRAY[NULL::text])) AS f (facility)
    WHERE NOT EXISTS (
        SELECT FROM scorer.facilities_granted AS g
        WHERE g.login = to_login
          AND g.job IS NOT DISTINCT FROM for_job
          AND g.facility IS NOT DISTINCT FROM f.facility
    );
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END
$$;
COMMENT ON FUNCTION scorer.grant_facilities(text, text [], text, boolean) IS 'Has a login see facilities (null: all) of a job (null: of all); gives how many it did not see by such a grant before. For members of scorer_approver or scorer_owner.';

CREATE FUNCTION scorer.revoke_facilities(from_login text, facilities text [], every boolean, for_job text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written bigint;
    missing text;
BEGIN
    LOCK TABLE scorer.facility_grants IN SHARE ROW EXCLUSIVE MODE;
    SELECT min(f) INTO missing
    FROM unnest(facilities) AS f
    WHERE NOT EXISTS (
        SELECT FROM scorer.facilities_granted AS g
        WHERE g.login = from_login
          AND g.job IS NOT DISTINCT FROM for_job
          AND g.facility = f
    );
    INSERT INTO scorer.facility_grants (login, job, facility, given)
    SELECT
        g.login,
        g.job,
        g.facility,
        false
    FROM scorer.facilities_granted AS g
    WHERE missing IS NULL
      AND g.login = from_login
      AND CASE
          WHEN every THEN g.facility IS NULL AND g.job IS NOT DISTINCT FROM for_job
          WHEN facilities IS NULL THEN g.job = COALESCE(for_job, g.job) OR for_job IS NULL
          ELSE g.facility = ANY (facilities) AND g.job IS NOT DISTINCT FROM for_job
      END;
    GET DIAGNOSTICS written = ROW_COUNT;
    IF written = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'login ' || quote_literal(from_login) || ' was not granted '
                || CASE
                    WHEN missing IS NOT NULL THEN 'facility ' || quote_literal(left(missing, 100))
                    WHEN every THEN 'all facilities'
                    ELSE 'anything'
                END
                || COALESCE(' of job ' || quote_literal(for_job), '') || '; `scorer facility list` shows what is granted, and for which job';
    END IF;
    RETURN written;
END
$$;
COMMENT ON FUNCTION scorer.revoke_facilities(text, text [], boolean, text) IS 'Takes facilities, the right to see all (every), or all that was granted (no facilities) from a login again; gives how many grants that were. For members of scorer_approver or scorer_owner.';

REVOKE ALL ON FUNCTION
    scorer.sees_all(),
    scorer.sees_all_as_planned(),
    scorer.still_sees_all(),
    scorer.seen_facilities(),
    scorer.is_facility_seen(jsonb, text, text),
    scorer.is_seen(jsonb, text, jsonb),
    scorer.is_facility_attribute(jsonb, text, text),
    scorer.sees_whole(text),
    scorer.require_seen(text, text []),
    scorer.refuse_unseen(),
    scorer.refuse_unseen_entities(),
    scorer.require_facilities(text, text [], text, boolean),
    scorer.grant_facilities(text, text [], text, boolean),
    scorer.revoke_facilities(text, text [], boolean, text)
FROM PUBLIC;
-- A function within a view is run with the rights of who reads it, and a site may have granted a view to any login. Each tells a login
-- about itself alone.
GRANT EXECUTE ON FUNCTION
    scorer.sees_all(),
    scorer.sees_all_as_planned(),
    scorer.still_sees_all(),
    scorer.seen_facilities(),
    scorer.is_facility_seen(jsonb, text, text),
    scorer.is_seen(jsonb, text, jsonb),
    scorer.is_facility_attribute(jsonb, text, text),
    scorer.sees_whole(text)
TO PUBLIC;
GRANT EXECUTE ON FUNCTION
    scorer.grant_facilities(text, text [], text, boolean),
    scorer.revoke_facilities(text, text [], boolean, text)
TO scorer_approver;

-- The tables, as a login sees them. What stands beside scorer.still_sees_all holds of no row: the condition is asked as a filter, once in fact,
-- where one without a column would put a node of its own on every row's way.

CREATE VIEW scorer.own_current_scores WITH (security_barrier = true) AS
SELECT
    t.job,
    t.entity_id,
    t.output,
    t.status,
    t.status_as_of,
    t.status_at,
    t.reason,
    t.attributes,
    t.score_id,
    t.score,
    t.risk_band,
    t.label,
    t.outputs,
    t.as_of,
    t.scored_at,
    t.valid_until,
    t.model_version,
    t.judged_by_job
FROM scorer.current_scores AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE scorer.is_seen(g.seen, t.job, t.attributes);
COMMENT ON VIEW scorer.own_current_scores IS 'What a login that may not see all sees of scorer.current_scores: those of the facility that the entity was of when it was scored last.';
CREATE VIEW scorer.own_scores WITH (security_barrier = true) AS
SELECT
    t.score_id,
    t.job,
    t.entity_id,
    t.output,
    t.run_id,
    t.batch_id,
    t.task,
    t.status,
    t.reason,
    t.score,
    t.risk_band,
    t.label,
    t.outputs,
    t.attributes,
    t.as_of,
    t.as_known_at,
    t.scored_at,
    t.valid_until,
    t.model_version,
    t.job_version,
    t.shadow,
    t.run_began_at
FROM scorer.scores AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE scorer.is_seen(g.seen, t.job, t.attributes);
COMMENT ON VIEW scorer.own_scores IS 'What a login that may not see all sees of scorer.scores: those of the facility that the entity was of when it was scored.';
CREATE VIEW scorer.own_score_reasons WITH (security_barrier = true) AS
SELECT
    t.score_id,
    t.rank,
    t.kind,
    t.feature,
    t.value,
    t.contribution,
    t.code,
    t.attribute,
    t.source,
    t.observation_id,
    t.observation_date,
    t.observation_value,
    t.run_began_at
FROM scorer.score_reasons AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE EXISTS (
    SELECT FROM scorer.scores AS s
    WHERE s.score_id = t.score_id
      AND s.run_began_at = t.run_began_at
      AND scorer.is_seen(g.seen, s.job, s.attributes)
);
COMMENT ON VIEW scorer.own_score_reasons IS 'What a login that may not see all sees of scorer.score_reasons: those of the facility of their score.';
CREATE VIEW scorer.own_recalls WITH (security_barrier = true) AS
SELECT
    t.score_id,
    t.recalled_at,
    t.recalled_by,
    t.why,
    t.recall_id,
    t.was_current,
    t.run_began_at
FROM scorer.recalls AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE EXISTS (
    SELECT FROM scorer.scores AS s
    WHERE s.score_id = t.score_id
      AND s.run_began_at = t.run_began_at
      AND scorer.is_seen(g.seen, s.job, s.attributes)
);
COMMENT ON VIEW scorer.own_recalls IS 'What a login that may not see all sees of scorer.recalls: those of the facility of their score.';
CREATE VIEW scorer.own_replays WITH (security_barrier = true) AS
SELECT
    t.replay_id,
    t.score_id,
    t.part,
    t.verdict,
    t.difference,
    t.why,
    t.inputs_changed,
    t.alarming,
    t.replayed_at,
    t.replayed_by,
    t.scorer_version,
    t.run_began_at
FROM scorer.replays AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE EXISTS (
    SELECT FROM scorer.scores AS s
    WHERE s.score_id = t.score_id
      AND s.run_began_at = t.run_began_at
      AND scorer.is_seen(g.seen, s.job, s.attributes)
);
COMMENT ON VIEW scorer.own_replays IS 'What a login that may not see all sees of scorer.replays: those of the facility of their score.';
CREATE VIEW scorer.own_rejections WITH (security_barrier = true) AS
SELECT
    t.rejection_id,
    t.job,
    t.entity_id,
    t.observation_id,
    t.rule,
    t.action,
    t.column_name,
    t.observed,
    t.expected,
    t.first_seen_at,
    t.last_seen_at,
    t.attempts,
    t.run_id,
    t.resolved_at
FROM scorer.rejections AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE EXISTS (
    SELECT FROM scorer.current_scores AS c
    WHERE c.job = t.job
      AND c.entity_id = t.entity_id
      AND scorer.is_seen(g.seen, c.job, c.attributes)
);
COMMENT ON VIEW scorer.own_rejections IS 'What a login that may not see all sees of scorer.rejections: those of the facility that the entity is of by scorer.current_scores.';
CREATE VIEW scorer.own_requests WITH (security_barrier = true) AS
SELECT
    t.request_id,
    t.job,
    t.entity_id,
    t.status,
    t.requested_at,
    t.requested_by,
    t.finished_at,
    CASE WHEN known.seen IS NOT FALSE THEN t.score_id END AS score_id,
    CASE WHEN known.seen IS NOT FALSE THEN t.reason END AS reason,
    t.priority,
    CASE WHEN known.seen IS NOT FALSE THEN t.outcome END AS outcome,
    CASE WHEN known.seen IS NOT FALSE THEN t.run_id END AS run_id,
    t.expires_at,
    t.entities,
    t.answered,
    t.scored - hidden.scored AS scored,
    t.failed - hidden.failed AS failed,
    t.absent - hidden.absent AS absent
FROM scorer.requests AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
CROSS JOIN LATERAL (
    SELECT bool_or(scorer.is_seen(g.seen, c.job, c.attributes)) AS seen
    FROM scorer.current_scores AS c
    WHERE c.job = t.job
      AND c.entity_id = t.entity_id
) AS known
CROSS JOIN LATERAL (
    SELECT
        (count(*) FILTER (WHERE e.outcome IN ('SCORED', 'UNCHANGED')))::integer AS scored,
        (count(*) FILTER (WHERE e.outcome IN ('FAILED', 'REFUSED')))::integer AS failed,
        (count(*) FILTER (WHERE e.outcome = 'ABSENT'))::integer AS absent
    FROM scorer.request_entities AS e
    WHERE t.entities IS NOT NULL
      AND e.request_id = t.request_id
      AND (
          SELECT NOT bool_or(scorer.is_seen(g.seen, c.job, c.attributes))
          FROM scorer.current_scores AS c
          WHERE c.job = t.job
            AND c.entity_id = e.entity_id
      )
) AS hidden
WHERE COALESCE(known.seen, scorer.is_seen(g.seen, t.job, NULL))
   OR t.requested_by = session_user;
COMMENT ON VIEW scorer.own_requests IS 'What a login that may not see all sees of scorer.requests: those of entities of a facility that the login may see, and its own; what became of its own is empty where the entity proved to be another facility''s, and such entities of a cohort are in none of scored, failed and absent.';
CREATE VIEW scorer.own_request_entities WITH (security_barrier = true) AS
SELECT
    t.request_id,
    q.job,
    t.entity_id,
    CASE WHEN known.seen IS NOT FALSE THEN t.outcome END AS outcome,
    CASE WHEN known.seen IS NOT FALSE THEN t.reason END AS reason,
    CASE WHEN known.seen IS NOT FALSE THEN t.score_id END AS score_id,
    t.answered_at
FROM scorer.request_entities AS t
JOIN scorer.requests AS q ON q.request_id = t.request_id
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
CROSS JOIN LATERAL (
    SELECT bool_or(scorer.is_seen(g.seen, c.job, c.attributes)) AS seen
    FROM scorer.current_scores AS c
    WHERE c.job = q.job
      AND c.entity_id = t.entity_id
) AS known
WHERE COALESCE(known.seen, scorer.is_seen(g.seen, q.job, NULL))
   OR q.requested_by = session_user;
COMMENT ON VIEW scorer.own_request_entities IS 'What a login that may not see all sees of scorer.request_entities: entities of a facility that the login may see, and those of its own requests; what became of these is empty where the entity proved to be another facility''s.';
CREATE VIEW scorer.seen_request_entities AS
SELECT
    u.request_id,
    u.job,
    u.entity_id,
    u.outcome,
    u.reason,
    u.score_id,
    u.answered_at
FROM (
    SELECT
        true AS whole,
        t.request_id,
        q.job,
        t.entity_id,
        t.outcome,
        t.reason,
        t.score_id,
        t.answered_at
    FROM scorer.request_entities AS t
    JOIN scorer.requests AS q ON q.request_id = t.request_id
    UNION ALL
    SELECT
        false AS whole,
        o.request_id,
        o.job,
        o.entity_id,
        o.outcome,
        o.reason,
        o.score_id,
        o.answered_at
    FROM scorer.own_request_entities AS o
) AS u
WHERE u.whole = scorer.sees_all_as_planned()
  AND CASE WHEN u.whole THEN (SELECT scorer.still_sees_all()) IS NOT NULL OR u.request_id < 0 ELSE true END;
COMMENT ON VIEW scorer.seen_request_entities IS 'What a login sees of scorer.request_entities, each with its job: all, as the table itself gives it, or scorer.own_request_entities.';

CREATE VIEW scorer.own_feature_vectors WITH (security_barrier = true) AS
SELECT
    t.job,
    t.entity_id,
    t.as_of,
    t.job_version,
    t.status,
    t.reason,
    t.features,
    t.built_at,
    t.built_by
FROM scorer.feature_vectors AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE EXISTS (
    SELECT FROM scorer.current_scores AS c
    WHERE c.job = t.job
      AND c.entity_id = t.entity_id
      AND scorer.is_seen(g.seen, c.job, c.attributes)
);
COMMENT ON VIEW scorer.own_feature_vectors IS 'What a login that may not see all sees of scorer.feature_vectors: those of the facility that the entity is of by scorer.current_scores.';
CREATE VIEW scorer.own_feature_counts WITH (security_barrier = true) AS
SELECT
    t.batch_id,
    t.run_id,
    t.job,
    t.model_version,
    t.facility,
    t.counted_at,
    t.scores,
    t.counts
FROM scorer.feature_counts AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE scorer.is_facility_seen(g.seen, t.job, t.facility);
COMMENT ON VIEW scorer.own_feature_counts IS 'What a login that may not see all sees of scorer.feature_counts: those of the facility that they name.';
CREATE VIEW scorer.own_live_performance WITH (security_barrier = true) AS
SELECT
    t.checkup_id,
    t.job,
    t.model_version,
    t.facility,
    t.window_from,
    t.window_until,
    t.metric,
    t.value,
    t.low,
    t.high,
    t.expected,
    t.expected_low,
    t.rows,
    t.entities,
    t.positives
FROM scorer.live_performance AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE scorer.is_facility_seen(g.seen, t.job, t.facility);
COMMENT ON VIEW scorer.own_live_performance IS 'What a login that may not see all sees of scorer.live_performance: those of the facility that they name.';
CREATE VIEW scorer.own_runs WITH (security_barrier = true) AS
SELECT
    t.run_id,
    t.job,
    t.trigger,
    t.status,
    t.scheduled_for,
    t.as_of,
    t.started_at,
    t.finished_at,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.eligible END AS eligible,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.scored END AS scored,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.unchanged END AS unchanged,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.quarantined END AS quarantined,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.insufficient END AS insufficient,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.indeterminate END AS indeterminate,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.failed END AS failed,
    CASE WHEN scorer.is_seen(g.seen, t.job, NULL) THEN t.error END AS error,
    t.job_version,
    t.model_version,
    t.resumed
FROM scorer.runs AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g;
COMMENT ON VIEW scorer.own_runs IS 'What a login that may not see all sees of scorer.runs: all, with empty counts and error where the job tells facilities apart, since they sum over all.';
CREATE VIEW scorer.own_batches WITH (security_barrier = true) AS
SELECT
    t.batch_id,
    t.run_id,
    t.started_at,
    t.finished_at,
    t.eligible,
    t.scored,
    t.unchanged,
    t.quarantined,
    t.insufficient,
    t.indeterminate,
    t.failed,
    t.observations_read,
    t.observations_dropped,
    t.seconds,
    t.model_version,
    t.flags
FROM scorer.batches AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE EXISTS (
    SELECT FROM scorer.runs AS r
    WHERE r.run_id = t.run_id
      AND scorer.is_seen(g.seen, r.job, NULL)
);
COMMENT ON VIEW scorer.own_batches IS 'What a login that may not see all sees of scorer.batches: those of jobs that tell no facilities apart, since they sum over all.';
CREATE VIEW scorer.own_validation_results WITH (security_barrier = true) AS
SELECT
    t.run_id,
    t.suite,
    t.rule,
    t.expectation,
    t.action,
    t.column_name,
    t.judged,
    t.unexpected,
    t.success,
    t.judged_at
FROM scorer.validation_results AS t
CROSS JOIN (SELECT scorer.seen_facilities() AS seen OFFSET 0) AS g
WHERE EXISTS (
    SELECT FROM scorer.runs AS r
    WHERE r.run_id = t.run_id
      AND scorer.is_seen(g.seen, r.job, NULL)
);
COMMENT ON VIEW scorer.own_validation_results IS 'What a login that may not see all sees of scorer.validation_results: those of jobs that tell no facilities apart, since they sum over all.';

-- scorer.seen_<table> has the columns of scorer.own_<table>; of_no_row is a condition on the key that holds of no row.
DO $$
DECLARE
    seen record;
    names text [];
BEGIN
    FOR seen IN
        SELECT
            v.name,
            v.of_no_row
        FROM (VALUES
            ('current_scores', 'u.job < '''''),
            ('scores', 'u.job < '''''),
            ('score_reasons', 'u.score_id < 0'),
            ('recalls', 'u.score_id < 0'),
            ('replays', 'u.replay_id < 0'),
            ('rejections', 'u.job < '''''),
            ('requests', 'u.job < '''''),
            ('feature_vectors', 'u.job < '''''),
            ('feature_counts', 'u.job < '''''),
            ('live_performance', 'u.job < '''''),
            ('runs', 'u.job < '''''),
            ('batches', 'u.batch_id < 0'),
            ('validation_results', 'u.run_id < 0')
        ) AS v (name, of_no_row)
    LOOP
        SELECT array_agg(a.attname ORDER BY a.attnum)
        INTO names
        FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = to_regclass('scorer.own_' || seen.name)
          AND a.attnum > 0;
        EXECUTE format(
            'CREATE VIEW scorer.%I AS SELECT u.%s FROM ('
            'SELECT true AS whole, t.%s FROM scorer.%I AS t UNION ALL SELECT false AS whole, o.%s FROM scorer.%I AS o'
            ') AS u WHERE u.whole = scorer.sees_all_as_planned() '
            'AND CASE WHEN u.whole THEN (SELECT scorer.still_sees_all()) IS NOT NULL OR %s ELSE true END',
            'seen_' || seen.name,
            array_to_string(names, ', u.'),
            array_to_string(names, ', t.'),
            seen.name,
            array_to_string(names, ', o.'),
            'own_' || seen.name,
            seen.of_no_row
        );
        EXECUTE format(
            'COMMENT ON VIEW scorer.%I IS %L',
            'seen_' || seen.name,
            'What a login sees of scorer.' || seen.name || ': all, as the table itself gives it, or scorer.own_' || seen.name || '.'
        );
    END LOOP;
END
$$;

CREATE OR REPLACE VIEW reporting.current_scores AS
SELECT
    c.job,
    c.entity_id,
    c.output,
    c.status,
    c.reason,
    c.score,
    c.risk_band,
    c.label,
    c.outputs,
    c.attributes,
    COALESCE(c.as_of, c.status_as_of) AS as_of,
    c.scored_at,
    c.valid_until,
    COALESCE(c.valid_until <= now() OR c.scored_at > clock_timestamp(), false) AS stale,
    c.model_version,
    c.score_id,
    c.status_as_of,
    c.status_at
FROM scorer.seen_current_scores AS c;

CREATE OR REPLACE VIEW reporting.score_history AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    s.status,
    s.reason,
    s.score,
    s.risk_band,
    s.label,
    s.outputs,
    s.attributes,
    s.as_of,
    s.scored_at,
    s.valid_until,
    COALESCE(s.valid_until <= now() OR s.scored_at > clock_timestamp(), false) AS stale,
    s.model_version,
    s.score_id,
    s.run_id,
    s.job_version,
    s.shadow,
    s.status = 'SCORED' AND NOT s.shadow AND c.score_id IS DISTINCT FROM s.score_id
    AND NOT (c.score_id IS NULL AND COALESCE(r.was_current, false)) AS superseded,
    r.score_id IS NOT NULL AS recalled,
    r.why AS recalled_why
FROM scorer.seen_scores AS s
LEFT JOIN scorer.seen_current_scores AS c USING (job, entity_id, output)
LEFT JOIN scorer.seen_recalls AS r ON r.score_id = s.score_id;

CREATE OR REPLACE VIEW reporting.score_reasons AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    r.score_id,
    s.as_of,
    s.scored_at,
    s.score,
    s.risk_band,
    s.model_version,
    c.score_id IS NOT NULL AS current,
    r.rank,
    r.kind,
    r.feature,
    r.value,
    r.contribution,
    r.code,
    r.attribute,
    r.source,
    r.observation_id,
    r.observation_date,
    r.observation_value
FROM scorer.seen_score_reasons AS r
JOIN scorer.seen_scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
LEFT JOIN scorer.seen_current_scores AS c
    ON c.job = s.job
    AND c.entity_id = s.entity_id
    AND c.output = s.output
    AND c.score_id = s.score_id;

CREATE OR REPLACE VIEW reporting.published_scores AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    s.score_id,
    s.score,
    s.risk_band,
    s.label,
    s.scored_at,
    s.valid_until,
    s.model_version,
    s.run_id,
    s.run_began_at
FROM scorer.seen_scores AS s
WHERE s.status = 'SCORED'
  AND NOT s.shadow;

CREATE OR REPLACE VIEW reporting.challenger_pairs AS
SELECT
    p.job,
    p.entity_id,
    p.output,
    p.run_id,
    p.as_of,
    p.scored_at,
    p.score_id,
    p.model_version,
    p.status,
    p.score,
    p.risk_band,
    p.label,
    s.score_id AS shadow_score_id,
    s.model_version AS shadow_model_version,
    s.status AS shadow_status,
    s.score AS shadow_score,
    s.risk_band AS shadow_risk_band,
    s.label AS shadow_label,
    r.score_id IS NOT NULL AS recalled
FROM scorer.seen_scores AS s
JOIN scorer.seen_scores AS p
    ON p.job = s.job
    AND p.entity_id = s.entity_id
    AND p.run_id = s.run_id
    AND p.run_began_at = s.run_began_at
    AND p.output = s.output
    AND NOT p.shadow
LEFT JOIN scorer.seen_recalls AS r ON r.score_id = p.score_id
WHERE s.shadow
  AND s.model_version IS DISTINCT FROM p.model_version;

CREATE OR REPLACE VIEW reporting.quarantine AS
SELECT
    q.job,
    q.entity_id,
    q.rule,
    q.action,
    q.observation_id,
    q.column_name,
    q.observed,
    q.expected,
    q.first_seen_at,
    q.last_seen_at,
    q.attempts,
    q.resolved_at
FROM scorer.seen_rejections AS q;

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
FROM scorer.seen_requests AS q
WHERE q.requested_by = session_user
   OR (
       SELECT
           pg_has_role(session_user, 'scorer_owner', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_worker', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_approver', 'MEMBER')
           OR pg_has_role(session_user, 'scorer_reader', 'MEMBER')
   );

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
    FROM scorer.seen_requests AS r
) AS q
WHERE q.requested_at > now() - INTERVAL '1 day'
   OR q.status = 'waiting'
GROUP BY q.job;

CREATE OR REPLACE VIEW reporting.request_entities AS
SELECT
    e.request_id,
    e.job,
    e.entity_id,
    e.outcome,
    e.reason,
    e.score_id,
    e.answered_at
FROM scorer.seen_request_entities AS e
WHERE e.request_id IN (SELECT q.request_id FROM reporting.requests AS q WHERE q.entities IS NOT NULL);

CREATE OR REPLACE VIEW reporting.feature_vectors AS
SELECT
    v.job,
    v.entity_id,
    v.as_of,
    v.status,
    v.reason,
    v.features,
    v.job_version,
    v.built_at,
    v.built_by
FROM scorer.seen_feature_vectors AS v;

CREATE OR REPLACE VIEW reporting.recalls AS
SELECT
    r.recall_id,
    r.score_id,
    s.job,
    s.entity_id,
    s.output,
    s.shadow,
    s.model_version,
    s.job_version,
    s.as_of,
    s.scored_at,
    s.score AS from_score,
    s.risk_band AS from_band,
    r.was_current,
    r.recalled_at,
    r.recalled_by,
    r.why,
    n.score_id AS replaced_by,
    n.scored_at AS replaced_at,
    CASE WHEN r.was_current THEN COALESCE(n.status, c.status) END AS to_status,
    n.score AS to_score,
    n.risk_band AS to_band,
    n.model_version AS to_model_version,
    CASE WHEN n.score_id IS NOT NULL THEN n.risk_band IS DISTINCT FROM s.risk_band END AS changes_band,
    r.was_current AND w.entity_id IS NOT NULL AS stands_in_source
FROM scorer.seen_recalls AS r
JOIN scorer.seen_scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
LEFT JOIN scorer.seen_current_scores AS c
    ON c.job = s.job
    AND c.entity_id = s.entity_id
    AND c.output = s.output
LEFT JOIN scorer.write_backs AS w
    ON w.job = s.job
    AND w.entity_id = s.entity_id
LEFT JOIN LATERAL (
    SELECT
        l.score_id,
        l.scored_at,
        l.status,
        l.score,
        l.risk_band,
        l.model_version
    FROM scorer.seen_scores AS l
    WHERE l.job = s.job
      AND l.entity_id = s.entity_id
      AND l.output = s.output
      AND NOT l.shadow
      AND l.scored_at > r.recalled_at
      AND r.was_current
    ORDER BY l.score_id
    LIMIT 1
) AS n ON true;

CREATE OR REPLACE VIEW reporting.replays AS
SELECT
    r.replay_id,
    r.score_id,
    s.job,
    s.entity_id,
    s.output,
    s.model_version,
    s.job_version,
    s.scored_at,
    r.part,
    r.verdict,
    r.difference,
    r.why,
    r.inputs_changed,
    r.alarming,
    r.replayed_at,
    r.replayed_by,
    r.scorer_version
FROM scorer.seen_replays AS r
JOIN scorer.seen_scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at;

CREATE OR REPLACE VIEW reporting.feature_counts AS
SELECT
    f.run_id,
    f.job,
    f.model_version,
    f.facility,
    f.counted_at,
    f.scores,
    f.counts
FROM scorer.seen_feature_counts AS f;

CREATE OR REPLACE VIEW reporting.drift AS
WITH baselines AS MATERIALIZED (
    SELECT
        k.job,
        k.model_version,
        k.place,
        k.feature,
        k.shares,
        k.missing
    FROM scorer.baselines AS k
)

SELECT
    d.run_id,
    d.job,
    d.model_version,
    d.feature,
    d.rows,
    d.psi,
    d.missing,
    d.baseline_missing,
    CASE
        -- Chance alone brings 300 rows of ten bins beyond 0.1 once in a thousand times.
        WHEN d.rows < 300 THEN 'too few rows'
        WHEN d.psi < 0.1 THEN 'stable'
        WHEN d.psi < 0.25 THEN 'moderate'
        ELSE 'major'
    END AS verdict
FROM (
    SELECT
        c.run_id,
        b.job,
        b.model_version,
        b.feature,
        (SELECT sum(n) FROM unnest(c.counts) AS n)::bigint AS rows,
        scorer.psi(b.shares, c.counts) AS psi,
        c.counts[11]::double precision / NULLIF((SELECT sum(n) FROM unnest(c.counts) AS n), 0) AS missing,
        b.missing AS baseline_missing
    FROM (
        SELECT
            n.run_id,
            n.job,
            n.model_version,
            n.place,
            array_agg(n.counted ORDER BY n.bin) AS counts
        FROM (
            SELECT
                f.run_id,
                f.job,
                f.model_version,
                (e.at - 1) / 11 + 1 AS place,
                mod(e.at - 1, 11) AS bin,
                sum(e.n)::bigint AS counted
            FROM scorer.seen_feature_counts AS f
            CROSS JOIN LATERAL unnest(f.counts) WITH ORDINALITY AS e (n, at)
            GROUP BY f.run_id, f.job, f.model_version, place, bin
        ) AS n
        GROUP BY n.run_id, n.job, n.model_version, n.place
    ) AS c
    JOIN baselines AS b
        ON b.job = c.job
        AND b.model_version = c.model_version
        AND b.place = c.place
) AS d;

CREATE OR REPLACE VIEW reporting.facility_drift AS
SELECT
    d.job,
    d.model_version,
    d.facility,
    d.feature,
    d.rows,
    d.psi,
    d.missing,
    d.baseline_missing,
    d.trained_on
FROM (
    SELECT
        c.job,
        c.model_version,
        c.facility,
        b.feature,
        (SELECT sum(n) FROM unnest(c.counts) AS n)::bigint AS rows,
        scorer.psi(COALESCE(own.shares, b.shares), c.counts) AS psi,
        c.counts[11]::double precision / NULLIF((SELECT sum(n) FROM unnest(c.counts) AS n), 0) AS missing,
        COALESCE(own.missing, b.missing) AS baseline_missing,
        own.feature IS NOT NULL AS trained_on
    FROM (
        SELECT
            n.job,
            n.model_version,
            n.facility,
            n.place,
            array_agg(n.counted ORDER BY n.bin) AS counts
        FROM (
            SELECT
                f.job,
                f.model_version,
                f.facility,
                (e.at - 1) / 11 + 1 AS place,
                mod(e.at - 1, 11) AS bin,
                sum(e.n)::bigint AS counted
            FROM scorer.seen_feature_counts AS f
            CROSS JOIN LATERAL unnest(f.counts) WITH ORDINALITY AS e (n, at)
            WHERE f.facility <> ''
              AND f.counted_at >= now() - INTERVAL '28 days'
            GROUP BY f.job, f.model_version, f.facility, place, bin
        ) AS n
        GROUP BY n.job, n.model_version, n.facility, n.place
    ) AS c
    JOIN scorer.baselines AS b
        ON b.job = c.job
        AND b.model_version = c.model_version
        AND b.place = c.place
    LEFT JOIN scorer.facility_baselines AS own
        ON own.job = c.job
        AND own.model_version = c.model_version
        AND own.facility = c.facility
        AND own.place = c.place
) AS d;

CREATE OR REPLACE VIEW reporting.live_performance AS
SELECT
    p.job,
    p.model_version,
    p.window_from,
    p.window_until,
    p.metric,
    p.value,
    p.low,
    p.high,
    p.expected,
    p.expected_low,
    p.rows,
    p.entities,
    p.positives
FROM scorer.seen_live_performance AS p
WHERE p.facility = '';

CREATE OR REPLACE VIEW reporting.facility_performance AS
SELECT
    p.job,
    p.model_version,
    p.facility,
    p.window_from,
    p.window_until,
    p.metric,
    p.value,
    p.low,
    p.high,
    p.expected,
    p.expected_low,
    p.rows,
    p.entities,
    p.positives
FROM scorer.seen_live_performance AS p
WHERE p.facility <> '';

CREATE OR REPLACE VIEW reporting.runs AS
SELECT
    r.run_id,
    r.job,
    r.trigger,
    r.status,
    r.scheduled_for,
    r.as_of,
    r.started_at,
    r.finished_at,
    r.eligible,
    r.scored,
    r.unchanged,
    r.quarantined,
    r.insufficient,
    r.indeterminate,
    r.failed,
    r.error,
    r.job_version,
    r.model_version,
    r.resumed
FROM scorer.seen_runs AS r;

CREATE OR REPLACE VIEW reporting.batches AS
SELECT
    b.batch_id,
    b.run_id,
    r.job,
    b.started_at,
    b.finished_at,
    b.eligible,
    b.scored,
    b.unchanged,
    b.quarantined,
    b.insufficient,
    b.indeterminate,
    b.failed,
    b.observations_read,
    b.observations_dropped,
    b.seconds,
    b.flags
FROM scorer.seen_batches AS b
JOIN scorer.seen_runs AS r USING (run_id);

CREATE OR REPLACE VIEW reporting.fhir_risk_assessments AS
SELECT
    p.job,
    p.entity_id,
    CASE WHEN made.subject IS NOT NULL THEN jsonb_strip_nulls(jsonb_build_object(
        'resourceType', 'RiskAssessment',
        'id', (v.fhir ->> 'id') || p.score_id,
        'identifier', jsonb_build_array(jsonb_build_object('system', v.fhir -> 'system', 'value', CAST(p.score_id AS text))),
        'status', p.status,
        'method', jsonb_build_object('text', 'job ' || p.job || ' ' || p.job_version || ', model ' || p.model_version),
        'subject', made.subject,
        'encounter', made.encounter,
        'occurrenceDateTime', scorer.fhir_time(p.as_of),
        'basis', basis.observations,
        'prediction', CASE v.fhir ->> 'task'
            WHEN 'multiclass' THEN (
                SELECT jsonb_agg(
                    jsonb_build_object(
                        'outcome', COALESCE(v.fhir -> 'classes' -> o.key, jsonb_build_object('text', o.key)),
                        'probabilityDecimal', trim_scale(CAST(CAST(o.value AS text) AS numeric) * 100),
                        'qualitativeRisk', CASE WHEN o.key = v.fhir ->> 'band_class' THEN made.risk END,
                        'whenPeriod', made.period
                    )
                    ORDER BY CAST(CAST(o.value AS text) AS numeric) DESC, o.key
                )
                FROM jsonb_each(p.outputs) AS o
                WHERE jsonb_typeof(o.value) = 'number'
                  AND o.key NOT IN ('conformal', 'unlike')
            )
            ELSE jsonb_build_array(scorer.fhir_prediction(v.fhir, p.score, made.risk, p.outputs, made.period))
        END
    )) END AS resource,
    CASE
        WHEN p.job_version IS NULL THEN 'job_version'
        WHEN v.fhir IS NULL THEN '[fhir]'
        WHEN made.subject IS NULL THEN v.fhir #>> '{subject,attribute}'
    END AS lacks,
    p.output,
    p.score_id,
    p.status,
    p.changed_at
FROM (
    -- Whoever was judged otherwise since has the score of a version that only the ledger knows.
    SELECT
        c.job,
        c.entity_id,
        c.output,
        c.score_id,
        'final' AS status,
        c.scored_at AS changed_at,
        c.score,
        c.risk_band,
        c.outputs,
        c.attributes,
        c.as_of,
        c.valid_until,
        c.model_version,
        CASE
            WHEN c.status = 'SCORED' THEN c.judged_by_job
            ELSE (SELECT s.job_version FROM scorer.seen_scores AS s WHERE s.score_id = c.score_id)
        END AS job_version
    FROM scorer.seen_current_scores AS c
    WHERE c.score_id IS NOT NULL
    UNION ALL
    SELECT
        s.job,
        s.entity_id,
        s.output,
        s.score_id,
        'entered-in-error' AS status,
        r.recalled_at AS changed_at,
        s.score,
        s.risk_band,
        s.outputs,
        s.attributes,
        s.as_of,
        s.valid_until,
        s.model_version,
        s.job_version
    FROM scorer.seen_recalls AS r
    JOIN scorer.seen_scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
    WHERE NOT s.shadow
) AS p
LEFT JOIN scorer.job_versions AS v ON v.job = p.job AND v.job_version = p.job_version
CROSS JOIN LATERAL (
    SELECT
        scorer.fhir_reference(v.fhir -> 'subject', CASE v.fhir #>> '{subject,attribute}'
            WHEN 'entity_id' THEN p.entity_id
            ELSE p.attributes ->> (v.fhir #>> '{subject,attribute}')
        END) AS subject,
        scorer.fhir_reference(v.fhir -> 'encounter', CASE v.fhir #>> '{encounter,attribute}'
            WHEN 'entity_id' THEN p.entity_id
            ELSE p.attributes ->> (v.fhir #>> '{encounter,attribute}')
        END) AS encounter,
        CASE
            WHEN p.risk_band IS NOT NULL THEN COALESCE(v.fhir -> 'bands' -> p.risk_band, jsonb_build_object('text', p.risk_band))
        END AS risk,
        jsonb_build_object('start', scorer.fhir_time(p.as_of), 'end', scorer.fhir_time(p.valid_until)) AS period
    OFFSET 0  -- each is made once
) AS made
LEFT JOIN LATERAL (
    SELECT
        jsonb_agg(
            scorer.fhir_reference(v.fhir -> 'observation', o.observation_id)
            || jsonb_build_object('display', COALESCE(o.code || ' of ', '') || scorer.fhir_time(o.observation_date))
            ORDER BY o.rank
        ) AS observations
    FROM (
        SELECT
            r.observation_id,
            min(r.code) AS code,
            min(r.observation_date) AS observation_date,
            min(r.rank) AS rank
        FROM scorer.seen_score_reasons AS r
        WHERE r.score_id = p.score_id
          AND r.observation_id ~ '\S'
        GROUP BY r.observation_id
    ) AS o
) AS basis ON made.subject IS NOT NULL;

CREATE OR REPLACE VIEW reporting.validation AS
SELECT
    v.run_id,
    r.job,
    v.suite,
    v.rule,
    v.expectation,
    v.action,
    v.column_name,
    sum(v.judged)::bigint AS judged,
    sum(v.unexpected)::bigint AS unexpected,
    bool_and(v.success) AS success,
    max(v.judged_at) AS judged_at
FROM scorer.seen_validation_results AS v
JOIN scorer.seen_runs AS r USING (run_id)
GROUP BY v.run_id, r.job, v.suite, v.rule, v.expectation, v.action, v.column_name;

CREATE OR REPLACE VIEW reporting.health AS
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
    CASE WHEN scorer.sees_whole(j.job) THEN COALESCE(work.entities, 0) END AS backlog,
    CASE WHEN scorer.sees_whole(j.job) THEN work.oldest_at END AS backlog_since,
    COALESCE(asked.waiting, 0) AS requests_waiting,
    asked.oldest_at AS requests_since,
    COALESCE(current.valid, 0) AS valid,
    COALESCE(current.expiring, 0) AS expiring,
    COALESCE(current.stale, 0) AS stale,
    COALESCE(current.held, 0) AS held,
    CASE WHEN scorer.sees_whole(j.job) THEN COALESCE(late.entities, 0) END AS write_backs_waiting,
    CASE WHEN scorer.sees_whole(j.job) THEN late.oldest_at END AS write_backs_since,
    CASE WHEN scorer.sees_whole(j.job) THEN COALESCE(late.recalled, 0) END AS take_backs_waiting,
    CASE WHEN scorer.sees_whole(j.job) THEN late.recalled_since END AS take_backs_since
FROM (
    SELECT v.job FROM scorer.job_versions AS v
    UNION
    SELECT v.job FROM scorer.model_versions AS v
) AS j
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (
            WHERE d.ready
              AND abs(EXTRACT(EPOCH FROM now() - d.beat_at)) < 60
              AND (d.jobs IS NULL OR j.job = ANY (d.jobs))
        ) AS daemons,
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
    FROM scorer.seen_requests AS q
    WHERE q.status = 'waiting'
    GROUP BY q.job
) AS asked ON asked.job = j.job
LEFT JOIN (
    SELECT
        l.job,
        count(*) AS entities,
        min(l.since) AS oldest_at,
        count(*) FILTER (WHERE l.recalled) AS recalled,
        min(l.since) FILTER (WHERE l.recalled) AS recalled_since
    FROM scorer.write_backs AS l
    GROUP BY l.job
) AS late ON late.job = j.job
-- Joined from the left, so that whoever leaves these columns out does not pay for the counting.
LEFT JOIN (
    SELECT
        c.job,
        count(*) FILTER (WHERE c.valid_until > now()) AS valid,
        count(*) FILTER (WHERE c.valid_until > now() AND c.valid_until <= now() + INTERVAL '1 hour') AS expiring,
        count(*) FILTER (WHERE c.valid_until <= now()) AS stale,
        count(*) FILTER (WHERE c.status = 'QUARANTINED') AS held
    FROM scorer.seen_current_scores AS c
    GROUP BY c.job
) AS current ON current.job = j.job;

CREATE OR REPLACE VIEW reporting.checkups WITH (security_barrier = true) AS
SELECT
    c.job,
    c.model_version,
    c.checked_at,
    c.window_from,
    c.scores,
    c.drifted,
    c.features,
    c.features_moved,
    c.worst_feature,
    c.worst_psi,
    c.score_psi,
    c.moved,
    c.constant_share,
    c.new_codes,
    c.performance_lost
FROM scorer.checkups AS c
WHERE (SELECT scorer.sees_all()) OR scorer.sees_whole(c.job);

CREATE OR REPLACE VIEW reporting.alerts WITH (security_barrier = true) AS
SELECT
    a.job,
    a.kind,
    a.model_version,
    a.detail,
    a.since,
    a.told_at,
    a.ended_at
FROM scorer.alerts AS a
WHERE (SELECT scorer.sees_all()) OR scorer.sees_whole(a.job);

CREATE OR REPLACE VIEW reporting.recall_events WITH (security_barrier = true) AS
SELECT
    e.recall_id,
    e.job,
    e.happened_at,
    e.done_by,
    e.why,
    e.model_version,
    e.job_version,
    e.scored_from,
    e.scored_until,
    e.in_force,
    e.scores,
    e.shadow_scores,
    e.entities
FROM scorer.recall_events AS e
WHERE (SELECT scorer.sees_all()) OR scorer.sees_whole(e.job);

CREATE OR REPLACE VIEW reporting.model_health WITH (security_barrier = true) AS
WITH done AS (
    SELECT
        r.job,
        COALESCE(b.model_version, r.model_version) AS model_version,
        sum(b.scored) AS scores,
        max(b.finished_at) FILTER (WHERE b.scored > 0) AS newest_at
    FROM scorer.batches AS b
    JOIN scorer.runs AS r ON r.run_id = b.run_id
    GROUP BY r.job, COALESCE(b.model_version, r.model_version)
)

SELECT
    m.job,
    m.model_version,
    m.status,
    m.promoted_at AS deployed_at,
    COALESCE(CASE WHEN m.status = 'staging' THEN shadow.scores ELSE done.scores END, 0)::bigint AS prediction_count,
    lately.milliseconds / NULLIF(lately.scored, 0) AS avg_latency_ms,
    lately.lost::double precision / NULLIF(lately.eligible, 0) AS error_rate,
    checkup.drifted AS drift_detected,
    CASE WHEN m.status = 'staging' THEN shadow.newest_at ELSE done.newest_at END AS last_prediction_at,
    checkup.checked_at,
    checkup.facilities
FROM scorer.model_versions AS m
LEFT JOIN done
    ON done.job = m.job
    AND done.model_version = m.model_version
LEFT JOIN LATERAL (
    SELECT
        count(*) AS scores,
        (
            SELECT s.scored_at
            FROM scorer.scores AS s
            WHERE s.score_id = max(k.score_id)
        ) AS newest_at
    FROM scorer.scores AS k
    WHERE k.shadow
      AND k.job = m.job
      AND k.model_version = m.model_version
      AND m.status = 'staging'
) AS shadow ON true
LEFT JOIN LATERAL (
    SELECT
        sum(spent.milliseconds) AS milliseconds,
        sum(spent.scored) AS scored,
        sum(r.eligible) AS eligible,
        sum(r.failed + CASE
            WHEN r.status = 'failed'
                THEN r.eligible - r.scored - r.unchanged - r.quarantined - r.insufficient - r.indeterminate - r.failed
            ELSE 0
        END) AS lost
    FROM (
        SELECT
            n.run_id,
            n.model_version,
            n.status,
            n.eligible,
            n.scored,
            n.unchanged,
            n.quarantined,
            n.insufficient,
            n.indeterminate,
            n.failed
        FROM scorer.runs AS n
        WHERE n.job = m.job
          AND n.model_version = m.model_version
          AND n.status <> 'running'
        ORDER BY n.run_id DESC
        LIMIT 100
    ) AS r
    LEFT JOIN LATERAL (
        SELECT
            sum(EXTRACT(EPOCH FROM b.finished_at - b.started_at) * 1000)::double precision AS milliseconds,
            sum(b.scored) AS scored
        FROM scorer.batches AS b
        WHERE b.run_id = r.run_id
          AND COALESCE(b.model_version, r.model_version) = m.model_version
    ) AS spent ON true
) AS lately ON true
LEFT JOIN LATERAL (
    SELECT
        c.drifted,
        c.checked_at,
        (
            SELECT jsonb_object_agg(p.facility, p.figures)
            FROM (
                SELECT
                    l.facility,
                    jsonb_object_agg(l.metric, l.value) AS figures
                FROM scorer.live_performance AS l
                WHERE l.checkup_id = c.checkup_id
                  AND l.facility <> ''
                GROUP BY l.facility
            ) AS p
        ) AS facilities
    FROM scorer.checkups AS c
    WHERE c.job = m.job
      AND c.model_version = m.model_version
    ORDER BY c.checkup_id DESC
    LIMIT 1
) AS checkup ON true
WHERE (m.promoted_at IS NOT NULL OR m.status = 'staging')
  AND ((SELECT scorer.sees_all()) OR scorer.sees_whole(m.job));

CREATE OR REPLACE VIEW reporting.retrain_due WITH (security_barrier = true) AS
SELECT
    m.job,
    reasons.due,
    reasons.reason,
    reasons.detail,
    reasons.since,
    m.model_version
FROM (
    SELECT
        v.job,
        v.model_version,
        COALESCE(
            CASE
                WHEN v.manifest ->> 'created_at' ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}' THEN (v.manifest ->> 'created_at')::timestamptz
            END,
            v.registered_at
        ) AS trained_at,
        COALESCE((
            SELECT c.retrain_after
            FROM scorer.checkups AS c
            WHERE c.job = v.job
              AND c.model_version = v.model_version
            ORDER BY c.checkup_id DESC
            LIMIT 1
        ), INTERVAL '91 days') AS retrain_after
    FROM scorer.model_versions AS v
    WHERE v.status = 'production'
) AS m
CROSS JOIN LATERAL (
    SELECT
        a.since IS NOT NULL AS due,
        kinds.kind AS reason,
        a.detail,
        a.since
    FROM (VALUES ('performance'), ('drift'), ('new observation types')) AS kinds (kind)
    LEFT JOIN scorer.alerts AS a
        ON a.job = m.job
        AND a.model_version = m.model_version
        AND a.kind = kinds.kind
        AND a.ended_at IS NULL
    UNION ALL
    SELECT
        now() >= m.trained_at + m.retrain_after AS due,
        'age' AS reason,
        'trained on ' || to_char(m.trained_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ', due from '
            || to_char((m.trained_at + m.retrain_after) AT TIME ZONE 'UTC', 'YYYY-MM-DD') || ' on' AS detail,
        CASE WHEN now() >= m.trained_at + m.retrain_after THEN m.trained_at + m.retrain_after END AS since
) AS reasons
WHERE (SELECT scorer.sees_all()) OR scorer.sees_whole(m.job);

CREATE OR REPLACE VIEW reporting.evaluation_figures WITH (security_barrier = true) AS
SELECT
    f.evaluation_id,
    e.job,
    e.model_version,
    e.evaluated_at,
    f.place,
    f.attribute,
    f.subgroup,
    f.figure,
    f.threshold,
    f.threshold_name,
    f.value,
    f.low,
    f.high,
    f.entities,
    f.events,
    f.positives,
    e.outcomes AND f.events < 10 AS too_few_events
FROM scorer.evaluation_figures AS f
JOIN scorer.evaluations AS e USING (evaluation_id)
WHERE (SELECT scorer.sees_all())
   OR scorer.sees_whole(e.job)
   OR NOT scorer.is_facility_attribute((SELECT scorer.seen_facilities()), e.job, f.attribute)
   OR scorer.is_facility_seen((SELECT scorer.seen_facilities()), e.job, f.subgroup);

CREATE VIEW reporting.facility_grants WITH (security_barrier = true) AS
SELECT
    g.login,
    g.job,
    g.facility,
    g.happened_at AS granted_at,
    g.done_by AS granted_by,
    r.oid IS NOT NULL AS login_exists
FROM scorer.facilities_granted AS g
LEFT JOIN pg_catalog.pg_roles AS r ON r.rolname = g.login
WHERE (SELECT scorer.sees_all())
   OR CASE WHEN r.oid IS NOT NULL THEN pg_has_role(session_user, r.oid, 'MEMBER') END;
COMMENT ON VIEW reporting.facility_grants IS 'One row per login, job (empty: all that publish a facility) and facility (empty: all, and entities of none) that is granted. Who may not see all sees what is granted to him.';

-- Views of reporting that read a table of scores past scorer.seen_<table>, and are no barrier of their own: none of the engine's.
CREATE VIEW scorer.views_past_facilities AS
SELECT DISTINCT
    v.relname AS view_name,
    t.relname AS table_name,
    ARRAY(SELECT m[1] FROM pg_catalog.regexp_matches(pg_catalog.pg_get_viewdef(v.oid), 'job = ''([^'']+)''', 'g') AS m) AS only_jobs
FROM pg_catalog.pg_class AS v
JOIN pg_catalog.pg_namespace AS n ON n.oid = v.relnamespace AND n.nspname = 'reporting'
JOIN pg_catalog.pg_rewrite AS w ON w.ev_class = v.oid
JOIN pg_catalog.pg_depend AS d ON d.objid = w.oid AND d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.refclassid = 'pg_catalog.pg_class'::regclass
JOIN pg_catalog.pg_class AS t ON t.oid = d.refobjid
JOIN pg_catalog.pg_namespace AS s ON s.oid = t.relnamespace AND s.nspname = 'scorer'
WHERE v.relkind IN ('v', 'm')
  AND t.relkind IN ('r', 'p')
  AND (
      EXISTS (SELECT FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = t.oid AND a.attname IN ('entity_id', 'score_id', 'facility') AND NOT a.attisdropped)
      OR t.relname IN ('runs', 'batches', 'validation_results', 'checkups', 'alerts', 'recall_events')
  )
  AND t.relname <> 'job_versions'
  AND NOT (
      COALESCE('security_barrier=true' = ANY (v.reloptions), false)
      AND EXISTS (
          SELECT FROM pg_catalog.pg_depend AS f
          WHERE f.objid = w.oid
            AND f.refclassid = 'pg_catalog.pg_proc'::regclass
            AND f.refobjid = 'scorer.sees_all()'::regprocedure
      )
  )
  -- What waits is told only of jobs seen whole (reporting.health), and of scores that are seen (reporting.recalls).
  AND (v.relname, t.relname) NOT IN (('health', 'work'), ('health', 'write_backs'), ('health', 'runs'), ('recalls', 'write_backs'));
COMMENT ON VIEW scorer.views_past_facilities IS 'One row per view of reporting and table whose rows it shows to whoever may read the view, whatever facility they are of; only_jobs: the jobs that its text names. None of the engine''s is here, and none may be of a job that publishes a facility.';

GRANT SELECT ON reporting.facility_grants TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
GRANT SELECT ON scorer.views_past_facilities TO scorer_worker;
