-- A model is admitted with care: its card, the evidence for it and its bytes are kept, and production demands them, whoever asks.

ALTER TABLE scorer.model_versions ADD CONSTRAINT model_versions_content UNIQUE (job, model_version, sha256);

CREATE TABLE scorer.model_cards (
    card_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    model_version text NOT NULL,
    card jsonb NOT NULL CHECK (jsonb_typeof(card) = 'object' AND octet_length(card::text) <= 262144),
    gaps text [],
    written_at timestamptz NOT NULL DEFAULT now(),
    written_by text NOT NULL DEFAULT session_user,
    FOREIGN KEY (job, model_version) REFERENCES scorer.model_versions
);
CREATE INDEX model_cards_by_model ON scorer.model_cards (job, model_version, card_id DESC);
COMMENT ON TABLE scorer.model_cards IS 'Model cards: one row per card that was set for a model version. The newest is in force; the others are kept.';
COMMENT ON COLUMN scorer.model_cards.card_id IS 'Key.';
COMMENT ON COLUMN scorer.model_cards.job IS 'Job of the model.';
COMMENT ON COLUMN scorer.model_cards.model_version IS 'Version that the card is about.';
COMMENT ON COLUMN scorer.model_cards.card IS 'What the card says: by field, a text.';
COMMENT ON COLUMN scorer.model_cards.gaps IS 'Its fields that nobody has filled, as the database found; null where none is left.';
COMMENT ON COLUMN scorer.model_cards.written_at IS 'When it was set.';
COMMENT ON COLUMN scorer.model_cards.written_by IS 'Login that set it.';

CREATE TABLE scorer.model_evidence (
    evidence_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    model_version text NOT NULL,
    sha256 text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('golden', 'shadow')),
    fingerprint jsonb NOT NULL CHECK (jsonb_typeof(fingerprint) = 'object'),
    host text NOT NULL,
    result jsonb NOT NULL CHECK (jsonb_typeof(result) = 'object'),
    recorded_at timestamptz NOT NULL DEFAULT now(),
    recorded_by text NOT NULL DEFAULT session_user,
    FOREIGN KEY (job, model_version, sha256) REFERENCES scorer.model_versions (job, model_version, sha256)
);
CREATE INDEX model_evidence_by_model ON scorer.model_evidence (job, model_version, evidence_id DESC);
COMMENT ON TABLE scorer.model_evidence IS 'What was found when a model version was tried: one row per trial. Counts and differences; no entity, no patient''s value. It is the word of the login that recorded it, kept with its name: the database checks that it suffices, and cannot run a model itself.';
COMMENT ON COLUMN scorer.model_evidence.evidence_id IS 'Key.';
COMMENT ON COLUMN scorer.model_evidence.job IS 'Job of the model.';
COMMENT ON COLUMN scorer.model_evidence.model_version IS 'Version that was tried.';
COMMENT ON COLUMN scorer.model_evidence.sha256 IS 'SHA-256 of the artefact that was tried: the registered one.';
COMMENT ON COLUMN scorer.model_evidence.kind IS 'golden: stored inputs scored again, beside their stored scores. shadow: current entities scored beside the production model.';
COMMENT ON COLUMN scorer.model_evidence.fingerprint IS 'Versions of Python and of the libraries, where it was tried.';
COMMENT ON COLUMN scorer.model_evidence.host IS 'Machine on which it was tried.';
COMMENT ON COLUMN scorer.model_evidence.result IS 'golden: rows, max_difference. shadow: production (its version; null where there was none), as_of, entities, and moves between bands.';
COMMENT ON COLUMN scorer.model_evidence.recorded_at IS 'When.';
COMMENT ON COLUMN scorer.model_evidence.recorded_by IS 'Login that tried it.';

CREATE TABLE scorer.model_artefacts (
    job text NOT NULL,
    model_version text NOT NULL,
    sha256 text NOT NULL,
    content bytea NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    stored_by text NOT NULL DEFAULT session_user,
    PRIMARY KEY (job, model_version),
    FOREIGN KEY (job, model_version, sha256) REFERENCES scorer.model_versions (job, model_version, sha256),
    CONSTRAINT model_artefacts_are_what_was_registered CHECK (encode(sha256(content), 'hex') = sha256),
    CONSTRAINT model_artefacts_are_modest CHECK (octet_length(content) <= 134217728)
);
ALTER TABLE scorer.model_artefacts ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON TABLE scorer.model_artefacts IS 'The bytes of model versions, for hosts that lack the files: one row per version that was stored; at most 128 MB each.';
COMMENT ON COLUMN scorer.model_artefacts.job IS 'Job of the model.';
COMMENT ON COLUMN scorer.model_artefacts.model_version IS 'Version.';
COMMENT ON COLUMN scorer.model_artefacts.sha256 IS 'SHA-256 of the bytes: the registered one.';
COMMENT ON COLUMN scorer.model_artefacts.content IS 'The artefact.';
COMMENT ON COLUMN scorer.model_artefacts.stored_at IS 'When it was stored.';
COMMENT ON COLUMN scorer.model_artefacts.stored_by IS 'Login that stored it.';

-- Nobody speaks for another: whatever an INSERT says, the database writes the login and the time itself.

CREATE FUNCTION scorer.sign_model_record() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_TABLE_NAME = 'model_cards' THEN
        NEW.written_by := session_user;
        NEW.written_at := clock_timestamp();
        NEW.gaps := scorer.card_gaps(NEW.card);
    ELSE
        NEW.recorded_by := session_user;
        NEW.recorded_at := clock_timestamp();
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION scorer.sign_model_record() IS 'Writes who sets a card or records evidence, when, and what a card lacks, whatever the statement says.';
CREATE TRIGGER model_cards_signed BEFORE INSERT ON scorer.model_cards FOR EACH ROW EXECUTE FUNCTION scorer.sign_model_record();
CREATE TRIGGER model_evidence_signed BEFORE INSERT ON scorer.model_evidence FOR EACH ROW EXECUTE FUNCTION scorer.sign_model_record();

CREATE TRIGGER model_cards_append_only BEFORE UPDATE OR DELETE ON scorer.model_cards FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER model_cards_no_truncate BEFORE TRUNCATE ON scorer.model_cards FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER model_evidence_append_only BEFORE UPDATE OR DELETE ON scorer.model_evidence FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER model_evidence_no_truncate BEFORE TRUNCATE ON scorer.model_evidence FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER model_artefacts_append_only BEFORE UPDATE OR DELETE ON scorer.model_artefacts FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER model_artefacts_no_truncate BEFORE TRUNCATE ON scorer.model_artefacts FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

-- What production demands.

CREATE FUNCTION scorer.card_gaps(card jsonb) RETURNS text []
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT array_agg(field ORDER BY place)
    FROM unnest(ARRAY[
        'intended_use', 'out_of_scope', 'training_data', 'performance', 'subgroups', 'limits', 'ethical_considerations', 'owner', 'contact'
    ]) WITH ORDINALITY AS fields (field, place)
    WHERE COALESCE(btrim(card ->> field, E' \t\r\n'), '') = ''
$$;
COMMENT ON FUNCTION scorer.card_gaps(jsonb) IS 'The fields of a model card that nobody has filled; null where none is left.';

CREATE FUNCTION scorer.same_libraries(fitted jsonb, here jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT COALESCE(
        bool_and(
            CASE
                WHEN l.name = 'python' THEN substring(l.version FROM '^\d+\.\d+') = substring(here ->> l.name FROM '^\d+\.\d+')
                ELSE l.version = here ->> l.name
            END IS TRUE
        ),
        false
    )
    FROM jsonb_each_text(CASE WHEN jsonb_typeof(fitted) = 'object' THEN fitted ELSE '{}' END) AS l (name, version)
$$;
COMMENT ON FUNCTION scorer.same_libraries(jsonb, jsonb) IS 'Whether every library of the first is in the second in the same version; of Python the minor version counts.';

CREATE FUNCTION scorer.promotion_lacks(for_job text, for_version text, tried boolean) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    model scorer.model_versions;
    named text := 'model ' || for_version || ' of ' || for_job;
    replaced text;
    gaps text [];
BEGIN
    SELECT * INTO model FROM scorer.model_versions WHERE job = for_job AND model_version = for_version;
    IF NOT FOUND THEN
        RETURN 'there is no ' || named;
    END IF;
    IF NOT pg_has_role(session_user, 'scorer_approver', 'MEMBER') THEN
        RETURN 'login ' || session_user || ' may not promote ' || named || ': grant it the role scorer_approver, or promote as an approver';
    END IF;
    IF model.registered_by = session_user THEN
        RETURN named || ' was registered by ' || session_user || ', and whoever registered a model may not promote it: '
            || 'promote it by the login of another person';
    END IF;
    SELECT c.gaps INTO gaps
    FROM scorer.model_cards AS c
    WHERE c.job = for_job
      AND c.model_version = for_version
    ORDER BY c.card_id DESC
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN named || ' has no card: write one with `scorer model card ' || for_job || ' ' || for_version
            || ' --write FILE`, fill it, and set it with --set FILE';
    END IF;
    IF gaps IS NOT NULL THEN
        RETURN 'the card of ' || named || ' is not filled: ' || array_to_string(gaps, ', ') || ' missing; fill it and set it again';
    END IF;
    IF NOT tried THEN
        RETURN NULL;
    END IF;
    IF NOT EXISTS (
        SELECT
        FROM scorer.model_evidence AS e
        WHERE e.job = for_job
          AND e.model_version = for_version
          AND e.sha256 = model.sha256
          AND e.kind = 'golden'
          AND e.recorded_by = session_user
          AND e.recorded_at > now() - INTERVAL '1 day'
          AND (e.result ->> 'rows')::integer > 0
          AND (e.result ->> 'rows')::integer = jsonb_array_length(model.manifest #> '{golden,scores}')
          AND (e.result ->> 'max_difference')::double precision < 1e-6
          AND scorer.same_libraries(model.manifest -> 'libraries', e.fingerprint)
    ) THEN
        RETURN named || ' has no golden vectors that passed today, by ' || session_user || ', on a machine with its libraries: '
            || 'run `scorer model promote`, which tries them';
    END IF;
    -- What is in production, or was until this transaction took it out.
    SELECT m.model_version INTO replaced
    FROM scorer.model_versions AS m
    WHERE m.job = for_job
      AND m.status = 'production'
      AND m.model_version <> for_version;
    IF NOT FOUND THEN
        SELECT e.model_version INTO replaced
        FROM scorer.model_events AS e
        WHERE e.job = for_job
          AND e.from_status = 'production'
          AND e.happened_at = now()
        ORDER BY e.event_id DESC
        LIMIT 1;
    END IF;
    IF NOT EXISTS (
        SELECT
        FROM scorer.model_evidence AS e
        WHERE e.job = for_job
          AND e.model_version = for_version
          AND e.sha256 = model.sha256
          AND e.kind = 'shadow'
          AND e.recorded_by = session_user
          AND e.recorded_at > now() - INTERVAL '1 day'
          AND (e.result ->> 'production') IS NOT DISTINCT FROM replaced
          AND (e.result ->> 'entities')::integer > 0
          AND scorer.same_libraries(model.manifest -> 'libraries', e.fingerprint)
    ) THEN
        RETURN named || ' has no shadow run of today, by ' || session_user || ', beside '
            || COALESCE('model ' || replaced || ', which is in production', 'an empty production') || ': run `scorer model promote`, which makes it';
    END IF;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.promotion_lacks(text, text, boolean) IS 'What keeps this login from promoting a model version, or, where it is not tried yet, from trying to, as a sentence without its stop; null where nothing does.';

-- The steps. Each function that moves a model says by scorer.path which way it takes; the trigger believes it only as far as the rows bear
-- it out, so that an UPDATE that goes past the functions gains nothing.

CREATE OR REPLACE FUNCTION scorer.check_model_step() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    named text := 'model ' || NEW.model_version || ' of ' || NEW.job;
    path text := COALESCE(current_setting('scorer.path', true), '');
    lack text;
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'candidate' THEN
            RAISE EXCEPTION USING
                ERRCODE = 'SC001',
                MESSAGE = named || ' must be registered as a candidate, not as ' || NEW.status;
        END IF;
        NEW.registered_by := session_user;
        NEW.promoted_at := NULL;
        RETURN NEW;
    END IF;
    IF ROW(NEW.job, NEW.model_version, NEW.sha256, NEW.manifest, NEW.registered_at, NEW.registered_by)
        IS DISTINCT FROM ROW(OLD.job, OLD.model_version, OLD.sha256, OLD.manifest, OLD.registered_at, OLD.registered_by) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'model ' || OLD.model_version || ' of ' || OLD.job || ' is registered: only its status may change';
    END IF;
    IF (OLD.status, NEW.status) NOT IN (
        ('candidate', 'staging'),
        ('candidate', 'archived'),
        ('staging', 'production'),
        ('staging', 'archived'),
        ('production', 'archived'),
        ('archived', 'staging')
    ) AND NOT (
        path = 'back'
        AND (OLD.status, NEW.status) = ('archived', 'production')
        AND EXISTS (
            SELECT
            FROM scorer.model_events AS e
            WHERE e.job = NEW.job
              AND e.model_version = NEW.model_version
              AND e.to_status = 'production'
        )
    ) THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = named || ' cannot go from ' || OLD.status || ' to ' || NEW.status;
    END IF;
    IF COALESCE(btrim(current_setting('scorer.why', true)), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'a reason is needed to move a model';
    END IF;
    IF NEW.status = 'production' THEN
        NEW.promoted_at := now();
        IF path = 'first'
            AND pg_has_role(session_user, 'scorer_owner', 'MEMBER')
            AND NOT EXISTS (SELECT FROM scorer.model_events AS e WHERE e.job = NEW.job AND e.to_status = 'production') THEN
            lack := NULL;
        ELSIF OLD.status = 'archived' THEN
            -- It was approved once. Going back to it must not wait for anybody's evidence, and may be done by any approver.
            lack := CASE
                WHEN NOT pg_has_role(session_user, 'scorer_approver', 'MEMBER')
                    THEN 'login ' || session_user || ' may not bring ' || named || ' back: grant it the role scorer_approver, or act as an approver'
            END;
        ELSE
            lack := scorer.promotion_lacks(NEW.job, NEW.model_version, true);
        END IF;
        IF lack IS NOT NULL THEN
            RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = lack;
        END IF;
    ELSIF NEW.promoted_at IS DISTINCT FROM OLD.promoted_at THEN
        NEW.promoted_at := OLD.promoted_at;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION scorer.check_model_step() IS 'Refuses a change of status that skips a step or lacks what it needs, and any other change of a registered model.';

CREATE FUNCTION scorer.step_model(for_job text, for_version text, to_status text, reason text, path text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF COALESCE(btrim(reason), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'a reason is needed to move a model';
    END IF;
    PERFORM set_config('scorer.why', reason, true), set_config('scorer.path', path, true);
    IF to_status = 'production' THEN
        UPDATE scorer.model_versions
        SET status = 'archived'
        WHERE job = for_job
          AND status = 'production'
          AND model_version <> for_version;
    END IF;
    UPDATE scorer.model_versions
    SET status = to_status
    WHERE job = for_job
      AND model_version = for_version;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'there is no model ' || for_version || ' of ' || for_job;
    END IF;
    PERFORM set_config('scorer.why', '', true), set_config('scorer.path', '', true);
END
$$;
COMMENT ON FUNCTION scorer.step_model(text, text, text, text, text) IS 'Moves a model version to a status, for a reason, by a path: nobody may call it but the functions below, as the owner.';

CREATE OR REPLACE FUNCTION scorer.move_model(for_job text, for_version text, to_status text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- One move of a job's models at a time: the second sees what the first left, and what it rests on may no longer hold.
    PERFORM pg_advisory_xact_lock(hashtextextended('scorer models of ' || for_job, 0));
    PERFORM scorer.step_model(for_job, for_version, to_status, reason, 'on');
END
$$;
COMMENT ON FUNCTION scorer.move_model(text, text, text, text) IS 'Moves a model version to a status, with a reason; to production, the one that was there is archived in the same transaction.';

CREATE FUNCTION scorer.model_before(for_job text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH promoted AS (
        -- How the version that is in production was approved; none, where production is empty.
        SELECT max(e.event_id) AS event_id
        FROM scorer.model_events AS e
        JOIN scorer.model_versions AS m USING (job, model_version)
        WHERE e.job = for_job
          AND m.status = 'production'
          AND e.from_status = 'staging'
          AND e.to_status = 'production'
    )

    SELECT e.model_version
    FROM scorer.model_events AS e
    CROSS JOIN promoted
    WHERE e.job = for_job
      AND e.from_status = 'production'
      AND (promoted.event_id IS NULL OR e.event_id < promoted.event_id)
    ORDER BY e.event_id DESC
    LIMIT 1
$$;
COMMENT ON FUNCTION scorer.model_before(text) IS 'The version that the one in production replaced when it was approved, or, where production is empty, that was last there; null where there is none.';

CREATE FUNCTION scorer.roll_back_model(for_job text, for_version text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('scorer models of ' || for_job, 0));
    IF scorer.model_before(for_job) IS DISTINCT FROM for_version THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'model ' || COALESCE(for_version, '?') || ' of ' || for_job || ' is not the one that was in production before';
    END IF;
    PERFORM scorer.step_model(for_job, for_version, 'production', reason, 'back');
END
$$;
COMMENT ON FUNCTION scorer.roll_back_model(text, text, text) IS 'Brings back into production the version that was there before, which must be the one named; the present one is archived in the same transaction.';

CREATE FUNCTION scorer.admit_first_model(for_job text, for_version text, reason text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM scorer.step_model(for_job, for_version, 'staging', reason, 'first');
    PERFORM scorer.step_model(for_job, for_version, 'production', reason, 'first');
END
$$;
COMMENT ON FUNCTION scorer.admit_first_model(text, text, text) IS 'Puts the model that is shipped with a job into production, where the job never had one there; for the owner of the schema alone.';
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA scorer FROM PUBLIC;

CREATE OR REPLACE VIEW reporting.models AS
SELECT
    m.job,
    m.model_version,
    m.status,
    m.sha256,
    m.registered_at,
    m.promoted_at,
    m.registered_by,
    (m.manifest #>> '{metrics,auroc,value}')::double precision AS auroc,
    (m.manifest #>> '{metrics,average_precision,value}')::double precision AS average_precision,
    (m.manifest #>> '{metrics,brier,value}')::double precision AS brier,
    m.manifest -> 'metrics' AS metrics,
    (
        SELECT e.done_by
        FROM scorer.model_events AS e
        WHERE e.job = m.job
          AND e.model_version = m.model_version
          AND e.to_status = 'production'
        ORDER BY e.event_id DESC
        LIMIT 1
    ) AS promoted_by,
    COALESCE(
        (
            SELECT c.gaps IS NULL
            FROM scorer.model_cards AS c
            WHERE c.job = m.job
              AND c.model_version = m.model_version
            ORDER BY c.card_id DESC
            LIMIT 1
        ),
        false
    ) AS card_filled,
    (
        SELECT jsonb_object_agg(newest.kind, newest.recorded_at)
        FROM (
            SELECT
                e.kind,
                max(e.recorded_at) AS recorded_at
            FROM scorer.model_evidence AS e
            WHERE e.job = m.job
              AND e.model_version = m.model_version
            GROUP BY e.kind
        ) AS newest
    ) AS evidence,
    EXISTS (SELECT FROM scorer.model_artefacts AS a WHERE a.job = m.job AND a.model_version = m.model_version) AS stored
FROM scorer.model_versions AS m;
COMMENT ON VIEW reporting.models IS 'One row per registered model version, with its metrics and their intervals, who promoted it last, whether its card is filled, when evidence of each kind was last recorded, and whether the database holds its bytes.';

CREATE VIEW reporting.model_events AS
SELECT
    e.event_id,
    e.job,
    e.model_version,
    e.from_status,
    e.to_status,
    e.happened_at,
    e.done_by,
    e.why
FROM scorer.model_events AS e;
COMMENT ON VIEW reporting.model_events IS 'One row per change of a model version''s status: who, when and why.';

-- Who may do what. Cards are set by whoever trains or approves; evidence is recorded by approvers alone, each in his own name.

GRANT SELECT ON scorer.model_cards, scorer.model_evidence, scorer.model_artefacts TO scorer_worker, scorer_approver;
GRANT INSERT (job, model_version, card) ON scorer.model_cards TO scorer_worker, scorer_approver;
GRANT INSERT (job, model_version, sha256, kind, fingerprint, host, result) ON scorer.model_evidence TO scorer_approver;
GRANT INSERT (job, model_version, sha256, content) ON scorer.model_artefacts TO scorer_worker;
GRANT EXECUTE ON FUNCTION
    scorer.card_gaps(jsonb),
    scorer.same_libraries(jsonb, jsonb),
    scorer.promotion_lacks(text, text, boolean),
    scorer.model_before(text)
TO scorer_worker, scorer_approver;
GRANT EXECUTE ON FUNCTION scorer.roll_back_model(text, text, text) TO scorer_approver;
GRANT SELECT ON reporting.model_events TO scorer_worker, scorer_approver, scorer_reader;
