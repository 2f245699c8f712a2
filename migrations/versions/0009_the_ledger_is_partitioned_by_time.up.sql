-- The ledger and the reasons of its scores are partitioned by the month (UTC) in which a run began; each month has a table of its own.
-- The tables that hold rows become the first partitions, as they stand: no row is rewritten. Meanwhile nobody scores; what that takes is
-- in migrations/locks.toml, and `scorer db plan` tells it.

LOCK TABLE scorer.scores, scorer.score_reasons, scorer.recalls, scorer.requests, scorer.replays IN ACCESS EXCLUSIVE MODE;

-- A partitioned table can only be unique in what its partitions are made by. When a run began is a function of the run, so a key of the
-- run and of its beginning is no weaker than one of the run. A beginning is therefore never changed, and a trigger compares each row's
-- with its run's. Of rows that are here already it reads -infinity, a constant that costs no rewrite.

ALTER TABLE scorer.scores RENAME TO scores_before;
ALTER TABLE scorer.score_reasons RENAME TO score_reasons_before;
ALTER TABLE scorer.recalls
    DROP CONSTRAINT recalls_score_id_fkey,
    ADD COLUMN run_began_at timestamptz DEFAULT '-infinity';
ALTER TABLE scorer.requests
    DROP CONSTRAINT requests_score_id_fkey,
    ADD COLUMN run_began_at timestamptz DEFAULT '-infinity';
ALTER TABLE scorer.replays
    DROP CONSTRAINT replays_score_id_fkey,
    ADD COLUMN run_began_at timestamptz DEFAULT '-infinity';
ALTER TABLE scorer.recalls ALTER COLUMN run_began_at DROP DEFAULT;
ALTER TABLE scorer.requests ALTER COLUMN run_began_at DROP DEFAULT;
ALTER TABLE scorer.replays ALTER COLUMN run_began_at DROP DEFAULT;
COMMENT ON COLUMN scorer.recalls.run_began_at IS 'When the run of that ledger row began: its partition. Null once that is no longer a part of the ledger.';
COMMENT ON COLUMN scorer.requests.run_began_at IS 'When the run of that ledger row began: its partition. Null once that is no longer a part of the ledger.';
COMMENT ON COLUMN scorer.replays.run_began_at IS 'When the run of that ledger row began: its partition. Null once that is no longer a part of the ledger.';

ALTER TABLE scorer.scores_before
    DROP CONSTRAINT scores_pkey,
    ADD COLUMN run_began_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE scorer.score_reasons_before
    DROP CONSTRAINT score_reasons_pkey,
    ADD COLUMN run_began_at timestamptz NOT NULL DEFAULT '-infinity';
ALTER TABLE scorer.scores_before ALTER COLUMN run_began_at DROP DEFAULT;
ALTER TABLE scorer.score_reasons_before ALTER COLUMN run_began_at DROP DEFAULT;
COMMENT ON COLUMN scorer.scores_before.run_began_at IS 'When its run began, which says the partition; -infinity in rows from before there were any.';
COMMENT ON COLUMN scorer.score_reasons_before.run_began_at IS 'When the run of its score began, which says the partition; -infinity in rows from before there were any.';
ALTER TABLE scorer.scores_before RENAME CONSTRAINT scores_one_outcome_per_run TO scores_before_one_outcome_per_run;
ALTER INDEX scorer.scores_in_shadow RENAME TO scores_before_in_shadow;
ALTER TRIGGER scores_append_only ON scorer.scores_before RENAME TO kept_append_only;
ALTER TRIGGER scores_no_truncate ON scorer.scores_before RENAME TO kept_no_truncate;
ALTER TRIGGER score_reasons_append_only ON scorer.score_reasons_before RENAME TO kept_append_only;
ALTER TRIGGER score_reasons_no_truncate ON scorer.score_reasons_before RENAME TO kept_no_truncate;

-- The partitioned tables, of the same columns in the same order.

CREATE TABLE scorer.scores (
    LIKE scorer.scores_before INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING COMMENTS
) PARTITION BY RANGE (run_began_at);
CREATE TABLE scorer.score_reasons (
    LIKE scorer.score_reasons_before INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING COMMENTS
) PARTITION BY RANGE (run_began_at);
COMMENT ON TABLE scorer.scores IS 'The ledger: one row per outcome, never changed. No role may update or delete, and a trigger refuses whoever tries. Partitioned by the month in which the run began.';
COMMENT ON TABLE scorer.score_reasons IS 'Why a score is what it is: one row per foremost feature, one for all others together, one for the bias. The contributions of a score add up to its log-odds. Never changed. Partitioned as the ledger.';
CREATE TRIGGER scores_append_only BEFORE UPDATE OR DELETE ON scorer.scores FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER scores_no_truncate BEFORE TRUNCATE ON scorer.scores FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER score_reasons_append_only BEFORE UPDATE OR DELETE ON scorer.score_reasons FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER score_reasons_no_truncate BEFORE TRUNCATE ON scorer.score_reasons FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

-- Keys go on where they were, and whoever was granted something on the tables, or reads them in a view, has it on the new ones.

DO $$
DECLARE
    keys record;
    granted record;
    seen record;
BEGIN
    SELECT q.last_value, q.is_called INTO keys FROM scorer.scores_score_id_seq AS q;
    ALTER TABLE scorer.scores_before ALTER COLUMN score_id DROP IDENTITY;
    ALTER TABLE scorer.scores ALTER COLUMN score_id ADD GENERATED ALWAYS AS IDENTITY;
    PERFORM setval('scorer.scores_score_id_seq', keys.last_value, keys.is_called);
    GRANT USAGE ON SEQUENCE scorer.scores_score_id_seq TO scorer_worker;

    FOR granted IN
        SELECT
            replace(c.relname, '_before', '') AS ledger,
            a.privilege_type,
            CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid IN ('scorer.scores_before'::regclass, 'scorer.score_reasons_before'::regclass)
          AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON scorer.%I TO %s', granted.privilege_type, granted.ledger, granted.grantee);
        EXECUTE format('REVOKE ALL ON scorer.%I FROM %s', granted.ledger || '_before', granted.grantee);
    END LOOP;

    FOR seen IN
        SELECT DISTINCT
            c.oid,
            c.oid::regclass AS name,
            c.relkind,
            c.reloptions,
            pg_has_role(c.relowner, 'USAGE') AND has_schema_privilege(c.relnamespace, 'CREATE') AS ours
        FROM pg_depend AS d
        JOIN pg_rewrite AS w ON w.oid = d.objid
        JOIN pg_class AS c ON c.oid = w.ev_class
        WHERE d.classid = 'pg_rewrite'::regclass
          AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid IN ('scorer.scores_before'::regclass, 'scorer.score_reasons_before'::regclass)
    LOOP
        IF seen.relkind <> 'v' OR NOT seen.ours THEN
            RAISE EXCEPTION USING
                ERRCODE = 'SC001',
                MESSAGE = seen.name || ' reads the ledger''s table, which is replaced by a partitioned one, and is not ours to change; '
                    || 'drop it, upgrade, and make it again';
        END IF;
        EXECUTE format(
            'CREATE OR REPLACE VIEW %s %s AS %s',
            seen.name,
            'WITH (' || array_to_string(seen.reloptions, ', ') || ')',
            regexp_replace(pg_get_viewdef(seen.oid), '\m(scores|score_reasons)_before\M', '\1', 'g')
        );
    END LOOP;
END
$$;

-- A run's partition is there from the moment the run is, whoever has looked after the ledger or has not.

CREATE VIEW scorer.ledger_partitions AS
SELECT
    p.relname AS ledger,
    c.relname AS partition,
    -- A bound that is not in quotes is MINVALUE or MAXVALUE.
    COALESCE(substring(b.bound FROM 'FROM \(''([^'']+)''\)')::timestamptz, '-infinity') AS begins_at,
    COALESCE(substring(b.bound FROM 'TO \(''([^'']+)''\)')::timestamptz, 'infinity') AS ends_at
FROM pg_class AS p
JOIN pg_inherits AS i ON i.inhparent = p.oid
JOIN pg_class AS c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (SELECT pg_get_expr(c.relpartbound, c.oid) AS bound) AS b
WHERE p.relnamespace = 'scorer'::regnamespace
  AND p.relname IN ('scores', 'score_reasons');
COMMENT ON VIEW scorer.ledger_partitions IS 'One row per partition of scorer.scores and scorer.score_reasons: runs that began from begins_at until before ends_at have their rows in it.';
COMMENT ON COLUMN scorer.ledger_partitions.ledger IS 'scores or score_reasons.';
COMMENT ON COLUMN scorer.ledger_partitions.partition IS 'Its table, in the schema scorer.';
COMMENT ON COLUMN scorer.ledger_partitions.begins_at IS 'Rows of runs that began from then on.';
COMMENT ON COLUMN scorer.ledger_partitions.ends_at IS 'Rows of runs that began before then.';

CREATE FUNCTION scorer.make_partition(moment timestamptz) RETURNS SETOF text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    month timestamp := date_trunc('month', moment AT TIME ZONE 'UTC');
    parent text;
    named text;
    copies integer;
BEGIN
    FOREACH parent IN ARRAY ARRAY['scores', 'score_reasons'] LOOP
        -- Who makes partitions does it one after the other.
        EXECUTE format('LOCK TABLE scorer.%I IN SHARE UPDATE EXCLUSIVE MODE', parent);
        CONTINUE WHEN EXISTS (
            SELECT
            FROM scorer.ledger_partitions AS p
            WHERE p.ledger = parent
              AND p.begins_at <= moment
              AND p.ends_at > moment
        );
        -- The name may be taken by a partition that was detached, of a month that a clock went back to.
        named := parent || to_char(month, '_YYYY_MM');
        copies := 1;
        WHILE to_regclass(format('scorer.%I', named)) IS NOT NULL LOOP
            copies := copies + 1;
            named := parent || to_char(month, '_YYYY_MM') || '_' || copies;
        END LOOP;
        EXECUTE format(
            'CREATE TABLE scorer.%I (LIKE scorer.%I INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING COMMENTS)',
            named,
            parent
        );
        IF parent = 'scores' THEN
            EXECUTE format('ALTER TABLE scorer.%I SET (toast_tuple_target = 8160)', named);
        END IF;
        EXECUTE format(
            'COMMENT ON TABLE scorer.%I IS %L',
            named,
            'Rows of scorer.' || parent || ' whose runs began in ' || to_char(month, 'YYYY-MM') || ' (UTC).'
        );
        -- Its own, so that they are left to it where it is detached; those of the ledger are not.
        EXECUTE format(
            'CREATE TRIGGER kept_append_only BEFORE UPDATE OR DELETE ON scorer.%I FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change()',
            named
        );
        EXECUTE format(
            'CREATE TRIGGER kept_no_truncate BEFORE TRUNCATE ON scorer.%I FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change()',
            named
        );
        -- Attached, and not made as a partition, which would keep all readers and writers waiting. Requests, recalls and replays wait for a
        -- moment to be written, since they refer to it: whoever makes one ahead does it in a transaction of its own.
        EXECUTE format(
            'ALTER TABLE scorer.%I ATTACH PARTITION scorer.%I FOR VALUES FROM (%L) TO (%L)',
            parent,
            named,
            month AT TIME ZONE 'UTC',
            (month + INTERVAL '1 month') AT TIME ZONE 'UTC'
        );
        RETURN NEXT named;
    END LOOP;
END
$$;
COMMENT ON FUNCTION scorer.make_partition(timestamptz) IS 'Makes the partitions of the month that holds the moment, where they are missing; gives the names of those it made.';

CREATE FUNCTION scorer.make_partitions(months integer) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF months NOT BETWEEN 0 AND 24 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'partitions of ' || months || ' months are asked for ahead; ask for 24 at the most';
    END IF;
    FOR ahead IN 0 .. months LOOP
        RETURN QUERY
        SELECT scorer.make_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + ahead * INTERVAL '1 month') AT TIME ZONE 'UTC');
    END LOOP;
END
$$;
COMMENT ON FUNCTION scorer.make_partitions(integer) IS 'Makes the ledger''s partitions of this month and of so many after it, where they are missing; gives the names of those it made.';

CREATE FUNCTION scorer.make_room() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The usual case by the name alone; the reasons have a partition where the ledger has.
    IF NOT EXISTS (
        SELECT
        FROM pg_class AS c
        WHERE c.oid = to_regclass('scorer.scores' || to_char(NEW.started_at AT TIME ZONE 'UTC', '_YYYY_MM'))
          AND c.relispartition
    ) AND NOT EXISTS (
        SELECT
        FROM scorer.ledger_partitions AS p
        WHERE p.ledger = 'scores'
          AND p.begins_at <= NEW.started_at
          AND p.ends_at > NEW.started_at
    ) THEN
        PERFORM scorer.make_partition(NEW.started_at);
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.make_room() IS 'Makes the partitions that a new run''s rows belong in, where they are missing.';
CREATE TRIGGER runs_have_room AFTER INSERT ON scorer.runs FOR EACH ROW EXECUTE FUNCTION scorer.make_room();

CREATE FUNCTION scorer.refuse_new_beginning() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'SC001',
        MESSAGE = 'run ' || OLD.run_id || ' began when it began: its rows of the ledger lie where that says';
END
$$;
COMMENT ON FUNCTION scorer.refuse_new_beginning() IS 'Trigger: refuses to change when a run began.';
CREATE TRIGGER runs_began_once BEFORE UPDATE OF run_id, started_at ON scorer.runs FOR EACH ROW
WHEN (ROW(OLD.run_id, OLD.started_at) IS DISTINCT FROM ROW(NEW.run_id, NEW.started_at))
EXECUTE FUNCTION scorer.refuse_new_beginning();

CREATE FUNCTION scorer.check_beginnings() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (
        SELECT
        FROM (
            SELECT DISTINCT
                w.run_id,
                w.run_began_at
            FROM written AS w
        ) AS s
        WHERE NOT EXISTS (
            SELECT
            FROM scorer.runs AS r
            WHERE r.run_id = s.run_id
              AND r.started_at = s.run_began_at
        )
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'rows for the ledger are of no run, or of one that began at another time';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.check_beginnings() IS 'Trigger: refuses rows of the ledger that do not say when their run began. Once per statement: a foreign key would cost as much per row as two indexes.';
CREATE TRIGGER scores_of_their_runs AFTER INSERT ON scorer.scores REFERENCING NEW TABLE AS written
FOR EACH STATEMENT EXECUTE FUNCTION scorer.check_beginnings();
REVOKE ALL ON FUNCTION
    scorer.make_partition(timestamptz),
    scorer.make_partitions(integer),
    scorer.make_room(),
    scorer.refuse_new_beginning(),
    scorer.check_beginnings()
FROM PUBLIC;

-- The tables that were here become the first partitions. They take whatever began before the next month, runs that are under way as well, of
-- which they may hold rows: the key without the beginning, which they keep, sees both. Where they are empty, they go.

DO $$
DECLARE
    until timestamp := date_trunc('month', GREATEST(
        clock_timestamp(),
        (SELECT max(r.started_at) FROM scorer.runs AS r)
    ) AT TIME ZONE 'UTC') + INTERVAL '1 month';
    ledger text;
    named text;
BEGIN
    IF NOT EXISTS (SELECT FROM scorer.scores_before) AND NOT EXISTS (SELECT FROM scorer.score_reasons_before) THEN
        DROP TABLE scorer.scores_before;
        DROP TABLE scorer.score_reasons_before;
    ELSE
        FOREACH ledger IN ARRAY ARRAY['scores', 'score_reasons'] LOOP
            named := ledger || to_char(until, '_"before"_YYYY_MM');
            EXECUTE format('ALTER TABLE scorer.%I RENAME TO %I', ledger || '_before', named);
            EXECUTE format(
                'COMMENT ON TABLE scorer.%I IS %L',
                named,
                'Rows of scorer.' || ledger || ' whose runs began before ' || to_char(until, 'YYYY-MM') || ' (UTC).'
            );
            EXECUTE format(
                'ALTER TABLE scorer.%I ATTACH PARTITION scorer.%I FOR VALUES FROM (MINVALUE) TO (%L)',
                ledger,
                named,
                until AT TIME ZONE 'UTC'
            );
        END LOOP;
    END IF;
END
$$;
-- Built on what is attached: once, and while the lock is held. The index of shadow scores is there and is taken over.
ALTER TABLE scorer.scores
    ADD PRIMARY KEY (score_id, run_began_at),
    ADD CONSTRAINT scores_one_outcome_per_run UNIQUE (job, entity_id, run_id, output, shadow, run_began_at);
CREATE INDEX scores_in_shadow ON scorer.scores (job, model_version, score_id) WHERE shadow;
ALTER TABLE scorer.score_reasons ADD PRIMARY KEY (score_id, rank, run_began_at);
DO $$
BEGIN
    IF EXISTS (SELECT FROM scorer.ledger_partitions) THEN
        ANALYZE scorer.scores, scorer.score_reasons;
    END IF;
    PERFORM scorer.make_partitions(3);
END
$$;

-- Whatever points at a row of the ledger says its partition too. A pointer without one is of a row that is no longer a part of the ledger,
-- and is not looked at. A recall says for ever which score it was of.

ALTER TABLE scorer.recalls ADD FOREIGN KEY (score_id, run_began_at) REFERENCES scorer.scores (score_id, run_began_at);
ALTER TABLE scorer.requests ADD FOREIGN KEY (score_id, run_began_at) REFERENCES scorer.scores (score_id, run_began_at);
ALTER TABLE scorer.replays ADD FOREIGN KEY (score_id, run_began_at) REFERENCES scorer.scores (score_id, run_began_at);
DROP TRIGGER recalls_append_only ON scorer.recalls;
CREATE TRIGGER recalls_append_only BEFORE DELETE ON scorer.recalls FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER recalls_unchanging BEFORE UPDATE ON scorer.recalls FOR EACH ROW
WHEN (
    NEW.run_began_at IS NOT NULL
    OR ROW(NEW.score_id, NEW.recalled_at, NEW.recalled_by, NEW.why, NEW.recall_id, NEW.was_current)
    IS DISTINCT FROM ROW(OLD.score_id, OLD.recalled_at, OLD.recalled_by, OLD.why, OLD.recall_id, OLD.was_current)
)
EXECUTE FUNCTION scorer.refuse_change();

-- As in 0006 and 0007, but what belongs to a row of the ledger is looked up in that row's partition alone.

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
FROM scorer.score_reasons AS r
JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
LEFT JOIN scorer.current_scores AS c
    ON c.job = s.job
    AND c.entity_id = s.entity_id
    AND c.output = s.output
    AND c.score_id = s.score_id;

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
FROM scorer.scores AS s
JOIN scorer.scores AS p
    ON p.job = s.job
    AND p.entity_id = s.entity_id
    AND p.run_id = s.run_id
    AND p.run_began_at = s.run_began_at
    AND p.output = s.output
    AND NOT p.shadow
LEFT JOIN scorer.recalls AS r ON r.score_id = p.score_id
WHERE s.shadow;

CREATE OR REPLACE FUNCTION scorer.recall_scores(
    for_job text,
    because text,
    of_model text,
    of_job_version text,
    from_moment timestamptz,
    until_moment timestamptz,
    anyway boolean,
    trial boolean
) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id bigint;
    moment timestamptz;
    refused text;
    model_goes_on boolean;
    job_goes_on boolean;
    counted record;
BEGIN
    refused := CASE
        WHEN COALESCE(btrim(because), '') = '' THEN 'a reason is needed to recall scores'
        WHEN num_nonnulls(of_model, of_job_version, from_moment, until_moment) = 0
            THEN 'nothing says which scores to recall; name a model, a job version or a span of time'
        WHEN num_nonnulls(from_moment, until_moment) = 1 THEN 'a span of time has a beginning and an end'
        WHEN from_moment >= until_moment THEN 'the span of time to recall ends before it begins'
        WHEN until_moment > clock_timestamp() THEN 'the span of time to recall lies in the future; let it end by now'
        WHEN NOT EXISTS (SELECT FROM scorer.job_versions AS v WHERE v.job = for_job)
            THEN 'there is no job ' || quote_literal(left(for_job, 100)) || ' in this database; reporting.health has those there are'
        WHEN NOT EXISTS (SELECT FROM scorer.model_versions AS v WHERE v.job = for_job AND v.model_version = COALESCE(of_model, v.model_version))
            THEN 'there is no model ' || quote_literal(left(of_model, 100)) || ' of job ' || for_job || '; reporting.models has those there are'
        WHEN NOT EXISTS (SELECT FROM scorer.job_versions AS v WHERE v.job = for_job AND v.job_version = COALESCE(of_job_version, v.job_version))
            THEN 'there is no version ' || quote_literal(left(of_job_version, 100)) || ' of job ' || for_job || '; reporting.score_history has those there are'
    END;
    IF refused IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = refused;
    END IF;
    IF NOT trial THEN
        PERFORM pg_advisory_xact_lock(hashtextextended('scorer.recalls ' || for_job, 0));
    END IF;
    moment := clock_timestamp();
    model_goes_on := of_model IS NOT NULL AND EXISTS (
        SELECT FROM scorer.model_versions AS v WHERE v.job = for_job AND v.model_version = of_model AND v.status = 'production'
    );
    job_goes_on := of_job_version IS NOT NULL AND of_job_version = (
        SELECT r.job_version FROM scorer.runs AS r WHERE r.job = for_job ORDER BY r.run_id DESC LIMIT 1
    );
    IF NOT anyway AND (model_goes_on OR job_goes_on) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = CASE
                WHEN model_goes_on THEN 'model ' || of_model || ' of job ' || for_job
                    || ' is in production, so it would make the replacements too; put another in its place first (scorer model rollback '
                    || for_job || '), or say --anyway'
                ELSE 'version ' || of_job_version || ' of job ' || for_job
                    || ' is what the last run used, so it would make the replacements too; change the job and run it first, or say --anyway'
            END;
    END IF;

    new_id := nextval(pg_get_serial_sequence('scorer.recall_events', 'recall_id'));
    INSERT INTO scorer.recalls (score_id, run_began_at, recalled_at, why, recall_id, was_current)
    SELECT
        s.score_id,
        s.run_began_at,
        moment,
        because,
        new_id,
        c.score_id IS NOT NULL
    FROM scorer.scores AS s
    LEFT JOIN scorer.current_scores AS c
        ON c.job = s.job
        AND c.entity_id = s.entity_id
        AND c.output = s.output
        AND c.score_id = s.score_id
    WHERE s.job = for_job
      AND s.status = 'SCORED'
      AND (of_model IS NULL OR s.model_version = of_model)
      AND (of_job_version IS NULL OR s.job_version = of_job_version)
      AND (from_moment IS NULL OR (s.scored_at >= from_moment AND s.scored_at < until_moment))
      AND NOT EXISTS (SELECT FROM scorer.recalls AS r WHERE r.score_id = s.score_id);

    -- Whoever was judged otherwise since keeps that status, and loses the earlier score that stood beside it. No score before it comes back:
    -- it was followed because something had changed.
    UPDATE scorer.current_scores AS c
    SET
        status = CASE WHEN c.status = 'SCORED' THEN 'RECALLED' ELSE c.status END,
        reason = CASE WHEN c.status = 'SCORED' THEN 'recall ' || new_id || ': ' || because ELSE c.reason END,
        status_at = CASE WHEN c.status = 'SCORED' THEN moment ELSE c.status_at END,
        score_id = NULL,
        score = NULL,
        risk_band = NULL,
        label = NULL,
        outputs = '{}',
        as_of = NULL,
        scored_at = NULL,
        valid_until = NULL,
        model_version = NULL
    FROM scorer.recalls AS r
    JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
    WHERE r.recall_id = new_id
      AND r.was_current
      AND c.job = s.job
      AND c.entity_id = s.entity_id
      AND c.output = s.output
      AND c.score_id = s.score_id;

    INSERT INTO scorer.write_backs (job, entity_id, recalled)
    SELECT DISTINCT
        for_job,
        s.entity_id,
        true
    FROM scorer.recalls AS r
    JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
    WHERE r.recall_id = new_id
      AND r.was_current
      AND EXISTS (
          SELECT
          FROM scorer.job_versions AS v
          WHERE v.job = for_job
            AND v.definition #> '{statements,write_back}' IS NOT NULL
      )
    ON CONFLICT (job, entity_id) DO UPDATE
    SET recalled = true;

    -- A newer score waits to be written over a recalled one. The rows of current_scores are locked first, as by whoever writes back.
    PERFORM
    FROM scorer.current_scores AS c
    WHERE c.job = for_job
      AND EXISTS (
          SELECT
          FROM scorer.write_backs AS w
          WHERE w.job = c.job
            AND w.entity_id = c.entity_id
            AND NOT w.recalled
      )
    FOR NO KEY UPDATE;
    UPDATE scorer.write_backs AS w
    SET recalled = true
    FROM scorer.recalls AS r
    JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
    WHERE r.recall_id = new_id
      AND NOT s.shadow
      AND w.job = s.job
      AND w.entity_id = s.entity_id
      AND NOT w.recalled;

    -- The highest first; whoever is asked for by people comes behind them.
    INSERT INTO scorer.requests (job, entity_id, priority)
    SELECT
        for_job,
        e.entity_id,
        50
    FROM (
        SELECT
            s.entity_id,
            max(s.score) AS score
        FROM scorer.recalls AS r
        JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
        WHERE r.recall_id = new_id
          AND r.was_current
        GROUP BY s.entity_id
    ) AS e
    WHERE length(e.entity_id) <= 1000
    ORDER BY e.score DESC;

    SELECT
        count(*) FILTER (WHERE NOT s.shadow) AS scores,
        count(*) FILTER (WHERE s.shadow) AS shadow_scores,
        count(DISTINCT s.entity_id) FILTER (WHERE r.was_current) AS entities
    INTO counted
    FROM scorer.recalls AS r
    JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
    WHERE r.recall_id = new_id;
    IF counted.scores + counted.shadow_scores = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'no score of job ' || for_job || ' is like that, or each was recalled before; nothing was recalled';
    END IF;
    INSERT INTO scorer.recall_events (
        recall_id, job, happened_at, why, model_version, job_version, scored_from, scored_until, in_force, trial, scores, shadow_scores,
        entities
    )
    OVERRIDING SYSTEM VALUE
    VALUES (
        new_id,
        for_job,
        moment,
        because,
        of_model,
        of_job_version,
        from_moment,
        until_moment,
        model_goes_on OR job_goes_on,
        trial,
        counted.scores,
        counted.shadow_scores,
        counted.entities
    );
    RETURN new_id;
END
$$;

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
FROM scorer.replays AS r
JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at;

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
FROM scorer.recalls AS r
JOIN scorer.scores AS s ON s.score_id = r.score_id AND s.run_began_at = r.run_began_at
LEFT JOIN scorer.current_scores AS c
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
    FROM scorer.scores AS l
    WHERE l.job = s.job
      AND l.entity_id = s.entity_id
      AND l.output = s.output
      AND NOT l.shadow
      AND l.scored_at > r.recalled_at
      AND r.was_current
    ORDER BY l.score_id
    LIMIT 1
) AS n ON true;

CREATE FUNCTION scorer.refresh_statistics(of_table text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (
        SELECT
        FROM pg_class AS c
        WHERE c.relnamespace = 'scorer'::regnamespace
          AND c.relname = of_table
          AND c.relkind IN ('r', 'p')
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'there is no table ' || quote_literal(left(of_table, 100)) || ' in the schema scorer';
    END IF;
    EXECUTE format('ANALYZE scorer.%I', of_table);
END
$$;
COMMENT ON FUNCTION scorer.refresh_statistics(text) IS 'Has the planner''s statistics of one of our tables taken anew. Of a partitioned table nobody else does it.';
REVOKE ALL ON FUNCTION scorer.refresh_statistics(text) FROM PUBLIC;

-- What is pruned is found by what points at it.

CREATE INDEX validation_results_by_batch ON scorer.validation_results (batch_id) WHERE batch_id IS NOT NULL;
CREATE INDEX ticks_by_run ON scorer.ticks (run_id) WHERE run_id IS NOT NULL;

-- Who may do what. Partitions are granted to nobody: the ledger is written and read through its own name.

GRANT SELECT ON scorer.ledger_partitions TO scorer_worker;
GRANT INSERT (run_began_at) ON scorer.replays TO scorer_worker;
GRANT EXECUTE ON FUNCTION scorer.make_partitions(integer), scorer.refresh_statistics(text) TO scorer_worker;
