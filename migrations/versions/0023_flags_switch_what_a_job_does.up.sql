-- Flags: switches with a share, facilities and a history. Locks no table that holds rows for longer than a moment: the new column of
-- scorer.batches rewrites nothing.

CREATE TABLE scorer.flags (
    flag_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text NOT NULL DEFAULT session_user,
    flag text NOT NULL CHECK (flag ~ '^[a-z0-9][a-z0-9_-]*([.][a-z0-9_-]+)*$' AND length(flag) <= 100),
    action text NOT NULL CHECK (action IN ('set', 'clear')),
    enabled boolean,
    share double precision CHECK (share > 0 AND share < 100),
    facilities text [] CHECK (cardinality(facilities) > 0 AND array_position(facilities, NULL) IS NULL),
    reason text NOT NULL CHECK (btrim(reason) <> ''),
    CONSTRAINT flags_set CHECK ((action = 'set') = (enabled IS NOT NULL)),
    CONSTRAINT flags_restricted CHECK (COALESCE(enabled, false) OR (share IS NULL AND facilities IS NULL))
);
CREATE INDEX flags_newest ON scorer.flags (flag, flag_id DESC);
COMMENT ON TABLE scorer.flags IS 'One row per time that a flag was set or cleared, with who did it and why; the newest one of a flag counts. Never changed.';
COMMENT ON COLUMN scorer.flags.flag_id IS 'Key; ascending in the order of the changes.';
COMMENT ON COLUMN scorer.flags.at IS 'When.';
COMMENT ON COLUMN scorer.flags.actor IS 'Login that did it.';
COMMENT ON COLUMN scorer.flags.flag IS 'Name: <job>.scores, <job>.write_back or <job>.reasons, or one of the site''s own, for its own SQL.';
COMMENT ON COLUMN scorer.flags.action IS 'set, or clear: as if it had never been set.';
COMMENT ON COLUMN scorer.flags.enabled IS 'Whether it was set on; false: off for everyone. Null where it was cleared.';
COMMENT ON COLUMN scorer.flags.share IS 'Per cent of the entities for which it is on, by a hash of flag and entity; null: all.';
COMMENT ON COLUMN scorer.flags.facilities IS 'Facilities for whose entities it is on; null: all. With a share, it is on for that share of their entities.';
COMMENT ON COLUMN scorer.flags.reason IS 'The reason given.';
CREATE TRIGGER flags_append_only BEFORE UPDATE OR DELETE ON scorer.flags FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER flags_no_truncate BEFORE TRUNCATE ON scorer.flags FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

ALTER TABLE scorer.batches ADD COLUMN flags jsonb;
COMMENT ON COLUMN scorer.batches.flags IS 'The job''s flags as this batch read them, by name; null where none was set.';
COMMENT ON COLUMN scorer.batches.indeterminate IS 'Of them, declined by the model, or scored in the shadow alone, where the flag <job>.scores is off for them.';
COMMENT ON COLUMN scorer.batches.shadows IS 'Rows of the ledger that the challenger''s scores made beside, and scores that the flag <job>.scores kept from being published; they are in no other count.';
COMMENT ON COLUMN scorer.recalls.why IS 'The reason given; of a run: gone, attributes_changed, withdrawn, inputs_changed or switched_off.';

-- The hash is written out here, and in scorer/types/flags.py alike: it must never change, nor depend on the server.
CREATE FUNCTION scorer.flag_bucket(of_flag text, entity_id text) RETURNS bigint
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT CAST(CAST('x' || substr(encode(sha256(convert_to(of_flag || ':' || entity_id, 'UTF8')), 'hex'), 1, 15) AS bit(60)) AS bigint) % 1000000;
END;
COMMENT ON FUNCTION scorer.flag_bucket(text, text) IS 'Where an entity stands among all for a flag, from 0 to 999,999: the same for ever, on any server. The first 60 bits of the SHA-256 of flag:entity, modulo a million.';

CREATE FUNCTION scorer.flag_detail(enabled boolean, share double precision, facilities text []) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_strip_nulls(jsonb_build_object('enabled', enabled, 'share', share, 'facilities', facilities));
END;
COMMENT ON FUNCTION scorer.flag_detail(boolean, double precision, text []) IS 'What a flag was set to, as JSON: enabled, and share and facilities where it is restricted.';

CREATE FUNCTION scorer.flag_includes(setting jsonb, of_flag text, entity_id text, facility text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT setting IS NULL
    OR COALESCE(
        CAST(setting ->> 'enabled' AS boolean)
        AND (NOT setting ? 'facilities' OR (setting -> 'facilities') ? facility)
        AND (NOT setting ? 'share' OR scorer.flag_bucket(of_flag, entity_id) < CAST(setting ->> 'share' AS numeric) * 10000),
        false
    );
END;
COMMENT ON FUNCTION scorer.flag_includes(jsonb, text, text, text) IS 'Whether a flag that was set to this is on for an entity of a facility; a flag that is not set (null) is.';

CREATE FUNCTION scorer.flag_setting(of_flag text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT n.detail
    FROM (
        SELECT
            f.action,
            scorer.flag_detail(f.enabled, f.share, f.facilities) AS detail
        FROM scorer.flags AS f
        WHERE f.flag = of_flag
        ORDER BY f.flag_id DESC
        LIMIT 1
    ) AS n
    WHERE n.action = 'set';
END;
COMMENT ON FUNCTION scorer.flag_setting(text) IS 'What a flag is set to; null where it is not set.';

CREATE FUNCTION scorer.job_flags(of_job text) RETURNS jsonb
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT jsonb_object_agg(s.flag, s.setting)
    FROM (
        SELECT
            n.flag,
            scorer.flag_setting(n.flag) AS setting
        FROM (VALUES (of_job || '.scores'), (of_job || '.write_back'), (of_job || '.reasons')) AS n (flag)
        WHERE EXISTS (SELECT FROM scorer.flags AS f WHERE f.flag = n.flag)
    ) AS s
    WHERE s.setting IS NOT NULL;
END;
COMMENT ON FUNCTION scorer.job_flags(text) IS 'The flags of a job that are set, by name; null where none is.';

CREATE FUNCTION scorer.flag_fault(of_flag text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    owner text := substring(of_flag FROM '^(.*)[.][^.]*$');
    of_job boolean := COALESCE(of_flag ~ '[.](scores|write_back|reasons)$', false);
    is_job boolean;
BEGIN
    IF COALESCE(of_flag, '') !~ '^[a-z0-9][a-z0-9_-]*([.][a-z0-9_-]+)*$' OR length(of_flag) > 100 THEN
        RETURN 'the name of a flag is of lower-case letters, digits, _, - and dots between, up to 100; not '
            || COALESCE(quote_literal(left(of_flag, 100)), 'null');
    END IF;
    SELECT EXISTS (SELECT FROM scorer.model_versions AS m WHERE m.job = owner)
        OR EXISTS (SELECT FROM scorer.job_versions AS v WHERE v.job = owner)
    INTO is_job;
    IF of_job AND NOT is_job THEN
        RETURN 'flag ' || of_flag || ' is of a job ' || quote_literal(owner) || ' that this database does not know; see `scorer job list`';
    END IF;
    IF is_job AND NOT of_job THEN
        RETURN 'job ' || owner || ' has no flag ' || of_flag || '; it has '
            || owner || '.scores, ' || owner || '.write_back and ' || owner || '.reasons';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.flag_fault(text) IS 'What is wrong with the name of a flag, in words; null where it is a job''s, or may be a site''s own.';

CREATE FUNCTION scorer.is_enabled(flag text, entity_id text DEFAULT NULL, facility text DEFAULT NULL, otherwise boolean DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    setting jsonb := scorer.flag_setting(flag);
    fault text;
BEGIN
    IF setting IS NOT NULL THEN
        RETURN scorer.flag_includes(setting, flag, entity_id, facility);
    END IF;
    fault := scorer.flag_fault(flag);
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = fault;
    END IF;
    IF flag ~ '[.](scores|write_back|reasons)$' THEN
        RETURN true;
    END IF;
    IF otherwise IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'nobody has set a flag ' || quote_literal(flag) || '; see `scorer flag list`, or give is_enabled the answer for it as its fourth argument';
    END IF;
    RETURN otherwise;
END
$$;
COMMENT ON FUNCTION scorer.is_enabled(text, text, text, boolean) IS 'Whether a flag is on for an entity of a facility. Of a job''s own flag that is not set: true. Of any other: otherwise, and where that is null an error, so that a name written wrong does not read as off.';

CREATE FUNCTION scorer.set_flag(of_flag text, is_on boolean, to_share numeric, to_facilities text [], why text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fault text := scorer.flag_fault(of_flag);
    named text [];
BEGIN
    IF fault IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = fault;
    END IF;
    IF COALESCE(btrim(why), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'to set a flag, a reason is needed; give it with --why';
    END IF;
    IF is_on IS NULL OR (NOT is_on AND (to_share IS NOT NULL OR to_facilities IS NOT NULL)) THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'a flag that is off is off for everyone: it takes neither a share nor facilities';
    END IF;
    IF to_share IS NOT NULL AND NOT (to_share > 0 AND to_share < 100 AND to_share = round(to_share, 4)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'a share is more than 0 and less than 100 per cent, with up to four decimals; none is off, and all is on';
    END IF;
    SELECT array_agg(DISTINCT f.facility ORDER BY f.facility) INTO named FROM unnest(to_facilities) AS f (facility);
    IF to_facilities IS NOT NULL AND (named IS NULL OR array_position(named, NULL) IS NOT NULL OR '' = ANY (named)) THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'a facility needs a name';
    END IF;
    -- One change of a flag at a time, so that the newest row is the last decision.
    PERFORM pg_advisory_xact_lock(hashtextextended('scorer flag ' || of_flag, 0));
    IF scorer.flag_setting(of_flag) = scorer.flag_detail(is_on, CAST(to_share AS double precision), named) THEN
        RETURN false;
    END IF;
    INSERT INTO scorer.flags (flag, action, enabled, share, facilities, reason)
    VALUES (of_flag, 'set', is_on, to_share, named, why);
    RETURN true;
END
$$;
COMMENT ON FUNCTION scorer.set_flag(text, boolean, numeric, text [], text) IS 'Sets a flag on, off, or on for a share of the entities, for facilities, or for a share of theirs; false where it was so already.';

CREATE FUNCTION scorer.clear_flag(of_flag text, why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF COALESCE(btrim(why), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'to clear a flag, a reason is needed; give it with --why';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('scorer flag ' || COALESCE(of_flag, ''), 0));
    IF scorer.flag_setting(of_flag) IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'nobody has set a flag ' || COALESCE(quote_literal(left(of_flag, 100)), 'null') || '; see `scorer flag list`';
    END IF;
    INSERT INTO scorer.flags (flag, action, reason)
    VALUES (of_flag, 'clear', why);
END
$$;
COMMENT ON FUNCTION scorer.clear_flag(text, text) IS 'Clears a flag: a job''s is on again, and a site''s own is one that nobody has set.';

-- A score is also taken back where the flag <job>.scores is off for its entity.
CREATE OR REPLACE FUNCTION scorer.withdraw_scores(for_job text, for_output text, writes_back boolean, entity_ids text [], reasons text [])
RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT reasons <@ ARRAY['gone', 'attributes_changed', 'withdrawn', 'inputs_changed', 'switched_off'] THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'a run takes no score back for that reason';
    END IF;
    -- The rows of current_scores are locked first, as by whoever writes back.
    RETURN QUERY
    WITH standing AS MATERIALIZED (
        SELECT
            c.entity_id,
            c.score_id,
            w.reason
        FROM unnest(entity_ids, reasons) AS w (entity_id, reason)
        JOIN scorer.current_scores AS c
            ON c.job = for_job
            AND c.entity_id = w.entity_id
            AND c.output = for_output
        WHERE c.score_id IS NOT NULL
        ORDER BY c.entity_id
        FOR NO KEY UPDATE OF c
    ),

    recalled AS (
        INSERT INTO scorer.recalls (score_id, run_began_at, why, was_current)
        SELECT
            s.score_id,
            (SELECT l.run_began_at FROM scorer.scores AS l WHERE l.score_id = s.score_id),
            s.reason,
            true
        FROM standing AS s
    ),

    waiting AS (
        INSERT INTO scorer.write_backs (job, entity_id, recalled)
        SELECT
            for_job,
            s.entity_id,
            true
        FROM standing AS s
        WHERE writes_back
        ON CONFLICT (job, entity_id) DO UPDATE
        SET recalled = true
    )

    UPDATE scorer.current_scores AS c
    SET
        status = CASE WHEN c.status = 'SCORED' THEN 'RECALLED' ELSE c.status END,
        reason = CASE WHEN c.status = 'SCORED' THEN s.reason ELSE c.reason END,
        status_at = CASE WHEN c.status = 'SCORED' THEN now() ELSE c.status_at END,
        looked_for = false,
        score_id = NULL,
        score = NULL,
        risk_band = NULL,
        label = NULL,
        outputs = '{}',
        as_of = NULL,
        scored_at = NULL,
        valid_until = NULL,
        model_version = NULL
    FROM standing AS s
    WHERE c.job = for_job
      AND c.entity_id = s.entity_id
      AND c.output = for_output
    RETURNING c.entity_id;
END
$$;

REVOKE ALL ON FUNCTION
    scorer.flag_bucket(text, text),
    scorer.flag_detail(boolean, double precision, text []),
    scorer.flag_includes(jsonb, text, text, text),
    scorer.flag_setting(text),
    scorer.job_flags(text),
    scorer.flag_fault(text),
    scorer.is_enabled(text, text, text, boolean),
    scorer.set_flag(text, boolean, numeric, text [], text),
    scorer.clear_flag(text, text)
FROM PUBLIC;

-- What reporting tools read.

CREATE VIEW reporting.flags AS
SELECT
    f.at,
    f.actor,
    f.flag,
    f.action,
    f.reason,
    jsonb_strip_nulls(jsonb_build_object('enabled', f.enabled, 'share', f.share, 'facilities', f.facilities)) AS detail,
    f.enabled,
    f.share,
    f.facilities,
    f.flag_id = max(f.flag_id) OVER (PARTITION BY f.flag) AS is_current
FROM scorer.flags AS f;
COMMENT ON VIEW reporting.flags IS 'One row per time that a flag was set or cleared: when, by whom, why, and to what; is_current marks the row that counts.';

CREATE FUNCTION reporting.is_enabled(flag text, entity_id text DEFAULT NULL, facility text DEFAULT NULL, otherwise boolean DEFAULT NULL)
RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT scorer.is_enabled(flag, entity_id, facility, otherwise);
END;
COMMENT ON FUNCTION reporting.is_enabled(text, text, text, boolean) IS 'scorer.is_enabled for who may not use the schema scorer.';

-- A score that was not published stands in the shadow of no other model.
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
WHERE s.shadow
  AND s.model_version IS DISTINCT FROM p.model_version;

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
FROM scorer.batches AS b
JOIN scorer.runs AS r USING (run_id);

REVOKE ALL ON FUNCTION reporting.is_enabled(text, text, text, boolean) FROM PUBLIC;
GRANT SELECT ON scorer.flags TO scorer_worker, scorer_approver;
GRANT SELECT ON reporting.flags TO scorer_worker, scorer_approver, scorer_reader;
GRANT EXECUTE ON FUNCTION
    scorer.flag_bucket(text, text),
    scorer.flag_detail(boolean, double precision, text []),
    scorer.flag_includes(jsonb, text, text, text),
    scorer.flag_setting(text),
    scorer.job_flags(text),
    scorer.flag_fault(text)
TO scorer_worker, scorer_approver;
GRANT EXECUTE ON FUNCTION scorer.is_enabled(text, text, text, boolean) TO scorer_worker, scorer_approver, scorer_requester;
GRANT EXECUTE ON FUNCTION reporting.is_enabled(text, text, text, boolean) TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
GRANT EXECUTE ON FUNCTION scorer.set_flag(text, boolean, numeric, text [], text), scorer.clear_flag(text, text) TO scorer_approver;
