-- Takes away cards, evidence, stored bytes and what production demands of a model; the registry and its events stay.

DROP VIEW reporting.model_events;
DROP VIEW reporting.models;
DROP FUNCTION scorer.admit_first_model(text, text, text);
DROP FUNCTION scorer.roll_back_model(text, text, text);
DROP FUNCTION scorer.model_before(text);
DROP FUNCTION scorer.promotion_lacks(text, text, boolean);
DROP FUNCTION scorer.same_libraries(jsonb, jsonb);
DROP TABLE scorer.model_artefacts;
DROP TABLE scorer.model_evidence;
DROP TABLE scorer.model_cards;
DROP FUNCTION scorer.sign_model_record();
DROP FUNCTION scorer.card_gaps(jsonb);

CREATE OR REPLACE FUNCTION scorer.check_model_step() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.status <> 'candidate' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'model ' || NEW.model_version || ' of ' || NEW.job || ' must be registered as a candidate, not as ' || NEW.status;
    END IF;
    IF TG_OP = 'UPDATE' AND ROW(NEW.job, NEW.model_version, NEW.sha256, NEW.manifest, NEW.registered_at, NEW.registered_by)
        IS DISTINCT FROM ROW(OLD.job, OLD.model_version, OLD.sha256, OLD.manifest, OLD.registered_at, OLD.registered_by) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'model ' || OLD.model_version || ' of ' || OLD.job || ' is registered: only its status may change';
    END IF;
    IF TG_OP = 'UPDATE' AND (OLD.status, NEW.status) NOT IN (
        ('candidate', 'staging'),
        ('candidate', 'archived'),
        ('staging', 'production'),
        ('staging', 'archived'),
        ('production', 'archived'),
        ('archived', 'staging')
    ) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'check_violation',
            MESSAGE = 'model ' || OLD.model_version || ' of ' || OLD.job || ' cannot go from ' || OLD.status || ' to ' || NEW.status;
    END IF;
    RETURN NEW;
END
$$;
COMMENT ON FUNCTION scorer.check_model_step() IS 'Refuses a change of status that skips a step, and any other change of a registered model.';

CREATE OR REPLACE FUNCTION scorer.move_model(for_job text, for_version text, to_status text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF COALESCE(btrim(reason), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'check_violation', MESSAGE = 'a reason is needed to move a model';
    END IF;
    PERFORM set_config('scorer.why', reason, true);
    IF to_status = 'production' THEN
        UPDATE scorer.model_versions
        SET status = 'archived'
        WHERE job = for_job
          AND status = 'production'
          AND model_version <> for_version;
    END IF;
    UPDATE scorer.model_versions
    SET status = to_status,
        promoted_at = CASE WHEN to_status = 'production' THEN now() ELSE promoted_at END
    WHERE job = for_job
      AND model_version = for_version;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_data_found',
            MESSAGE = 'there is no model ' || for_version || ' of ' || for_job;
    END IF;
    PERFORM set_config('scorer.why', '', true);
END
$$;
COMMENT ON FUNCTION scorer.move_model(text, text, text, text) IS 'Moves a model version to a status, with a reason; to production, the one that was there is archived in the same transaction.';
DROP FUNCTION scorer.step_model(text, text, text, text, text);
ALTER TABLE scorer.model_versions DROP CONSTRAINT model_versions_content;

CREATE VIEW reporting.models AS
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
    m.manifest -> 'metrics' AS metrics
FROM scorer.model_versions AS m;
COMMENT ON VIEW reporting.models IS 'One row per registered model version, with its held-out metrics and their intervals.';
GRANT SELECT ON reporting.models TO scorer_worker, scorer_approver, scorer_reader;
