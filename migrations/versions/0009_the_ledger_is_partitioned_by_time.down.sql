-- The ledger and its reasons become plain tables again: every row of every partition is copied into them, which takes its time, and nobody
-- scores meanwhile. Partitions that were detached stay as they are; recalls and replays of scores that are no longer here go.

LOCK TABLE scorer.scores, scorer.score_reasons, scorer.recalls, scorer.requests, scorer.replays IN ACCESS EXCLUSIVE MODE;

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
    INSERT INTO scorer.recalls (score_id, recalled_at, why, recall_id, was_current)
    SELECT
        s.score_id,
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
    JOIN scorer.scores AS s ON s.score_id = r.score_id
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
    JOIN scorer.scores AS s ON s.score_id = r.score_id
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
    JOIN scorer.scores AS s ON s.score_id = r.score_id
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
        JOIN scorer.scores AS s ON s.score_id = r.score_id
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
    JOIN scorer.scores AS s ON s.score_id = r.score_id
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
JOIN scorer.scores AS s USING (score_id)
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
    AND p.output = s.output
    AND NOT p.shadow
LEFT JOIN scorer.recalls AS r ON r.score_id = p.score_id
WHERE s.shadow;

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
JOIN scorer.scores AS s ON s.score_id = r.score_id;

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
JOIN scorer.scores AS s ON s.score_id = r.score_id
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

DROP TRIGGER recalls_unchanging ON scorer.recalls;
DROP TRIGGER recalls_append_only ON scorer.recalls;
ALTER TABLE scorer.recalls DROP CONSTRAINT recalls_score_id_run_began_at_fkey;
ALTER TABLE scorer.requests DROP CONSTRAINT requests_score_id_run_began_at_fkey;
ALTER TABLE scorer.replays DROP CONSTRAINT replays_score_id_run_began_at_fkey;
DROP INDEX scorer.ticks_by_run;
DROP INDEX scorer.validation_results_by_batch;
DROP FUNCTION scorer.refresh_statistics(text);
DROP TRIGGER runs_began_once ON scorer.runs;
DROP TRIGGER runs_have_room ON scorer.runs;
DROP TRIGGER scores_of_their_runs ON scorer.scores;
DROP FUNCTION scorer.check_beginnings();
DROP FUNCTION scorer.refuse_new_beginning();
DROP FUNCTION scorer.make_room();
DROP FUNCTION scorer.make_partitions(integer);
DROP FUNCTION scorer.make_partition(timestamptz);
DROP VIEW scorer.ledger_partitions;

ALTER TABLE scorer.scores RENAME TO scores_in_parts;
ALTER TABLE scorer.score_reasons RENAME TO score_reasons_in_parts;
CREATE TABLE scorer.scores (
    LIKE scorer.scores_in_parts INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING COMMENTS
) WITH (toast_tuple_target = 8160);
CREATE TABLE scorer.score_reasons (
    LIKE scorer.score_reasons_in_parts INCLUDING CONSTRAINTS INCLUDING DEFAULTS INCLUDING COMMENTS
);
COMMENT ON TABLE scorer.scores IS 'The ledger: one row per outcome, never changed. No role may update or delete, and a trigger refuses whoever tries.';
COMMENT ON TABLE scorer.score_reasons IS 'Why a score is what it is: one row per foremost feature, one for all others together, one for the bias. The contributions of a score add up to its log-odds. Never changed.';
INSERT INTO scorer.scores SELECT * FROM scorer.scores_in_parts;
INSERT INTO scorer.score_reasons SELECT * FROM scorer.score_reasons_in_parts;
ALTER TABLE scorer.scores DROP COLUMN run_began_at;
ALTER TABLE scorer.score_reasons DROP COLUMN run_began_at;

DO $$
DECLARE
    keys record;
    granted record;
    seen record;
BEGIN
    SELECT q.last_value, q.is_called INTO keys FROM scorer.scores_score_id_seq AS q;
    ALTER TABLE scorer.scores_in_parts ALTER COLUMN score_id DROP IDENTITY;
    ALTER TABLE scorer.scores ALTER COLUMN score_id ADD GENERATED ALWAYS AS IDENTITY;
    PERFORM setval('scorer.scores_score_id_seq', keys.last_value, keys.is_called);
    GRANT USAGE ON SEQUENCE scorer.scores_score_id_seq TO scorer_worker;

    FOR granted IN
        SELECT
            replace(c.relname, '_in_parts', '') AS ledger,
            a.privilege_type,
            CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS grantee
        FROM pg_class AS c
        CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid IN ('scorer.scores_in_parts'::regclass, 'scorer.score_reasons_in_parts'::regclass)
          AND a.grantee <> c.relowner
    LOOP
        EXECUTE format('GRANT %s ON scorer.%I TO %s', granted.privilege_type, granted.ledger, granted.grantee);
    END LOOP;

    FOR seen IN
        SELECT DISTINCT
            c.oid,
            c.oid::regclass AS name,
            c.reloptions
        FROM pg_depend AS d
        JOIN pg_rewrite AS w ON w.oid = d.objid
        JOIN pg_class AS c ON c.oid = w.ev_class
        WHERE d.classid = 'pg_rewrite'::regclass
          AND d.refclassid = 'pg_class'::regclass
          AND d.refobjid IN ('scorer.scores_in_parts'::regclass, 'scorer.score_reasons_in_parts'::regclass)
    LOOP
        EXECUTE format(
            'CREATE OR REPLACE VIEW %s %s AS %s',
            seen.name,
            'WITH (' || array_to_string(seen.reloptions, ', ') || ')',
            replace(
                replace(pg_get_viewdef(seen.oid), 'scorer.scores_in_parts', 'scorer.scores'),
                'scorer.score_reasons_in_parts',
                'scorer.score_reasons'
            )
        );
    END LOOP;
END
$$;
DROP TABLE scorer.score_reasons_in_parts;
DROP TABLE scorer.scores_in_parts;

ALTER TABLE scorer.scores
    ADD PRIMARY KEY (score_id),
    ADD CONSTRAINT scores_one_outcome_per_run UNIQUE (job, entity_id, run_id, output, shadow);
CREATE INDEX scores_in_shadow ON scorer.scores (job, model_version, score_id) WHERE shadow;
ALTER TABLE scorer.score_reasons ADD PRIMARY KEY (score_id, rank);
CREATE TRIGGER scores_append_only BEFORE UPDATE OR DELETE ON scorer.scores FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER scores_no_truncate BEFORE TRUNCATE ON scorer.scores FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER score_reasons_append_only BEFORE UPDATE OR DELETE ON scorer.score_reasons FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER score_reasons_no_truncate BEFORE TRUNCATE ON scorer.score_reasons FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

-- What points at a row that is no longer here.
DELETE FROM scorer.recalls WHERE run_began_at IS NULL;
DELETE FROM scorer.replays WHERE run_began_at IS NULL;
UPDATE scorer.requests SET score_id = NULL WHERE score_id IS NOT NULL AND run_began_at IS NULL;
ALTER TABLE scorer.recalls
    DROP COLUMN run_began_at,
    ADD CONSTRAINT recalls_score_id_fkey FOREIGN KEY (score_id) REFERENCES scorer.scores;
ALTER TABLE scorer.requests
    DROP COLUMN run_began_at,
    ADD CONSTRAINT requests_score_id_fkey FOREIGN KEY (score_id) REFERENCES scorer.scores;
ALTER TABLE scorer.replays
    DROP COLUMN run_began_at,
    ADD CONSTRAINT replays_score_id_fkey FOREIGN KEY (score_id) REFERENCES scorer.scores;
CREATE TRIGGER recalls_append_only BEFORE UPDATE OR DELETE ON scorer.recalls FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
