-- The first schema: runs and their batches, work, the ledger of scores, what is current, what was refused, and who may do what.
-- Runs as scorer_owner; migrations/prepare.sql has made the roles and both schemas.

CREATE TABLE scorer.job_versions (
    job text NOT NULL,
    job_version text NOT NULL,
    definition jsonb NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, job_version)
);
COMMENT ON TABLE scorer.job_versions IS 'A job as its files stood: one row per content hash. Never changed, so that every score can be explained.';
COMMENT ON COLUMN scorer.job_versions.job IS 'Name of the job.';
COMMENT ON COLUMN scorer.job_versions.job_version IS 'First 16 hex digits of the SHA-256 over definition, statements and suites.';
COMMENT ON COLUMN scorer.job_versions.definition IS 'job.toml, statements and suites, as they stood.';
COMMENT ON COLUMN scorer.job_versions.registered_at IS 'When a run first used it.';

CREATE TABLE scorer.model_versions (
    job text NOT NULL,
    model_version text NOT NULL,
    status text NOT NULL DEFAULT 'candidate' CHECK (status IN ('candidate', 'staging', 'production', 'archived')),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    manifest jsonb NOT NULL,
    registered_at timestamptz NOT NULL DEFAULT now(),
    registered_by text NOT NULL DEFAULT session_user,
    promoted_at timestamptz,
    PRIMARY KEY (job, model_version)
);
CREATE UNIQUE INDEX model_versions_one_in_production ON scorer.model_versions (job) WHERE status = 'production';
COMMENT ON TABLE scorer.model_versions IS 'The registry: one row per fitted artefact. At most one per job is in production.';
COMMENT ON COLUMN scorer.model_versions.job IS 'Job that the model serves.';
COMMENT ON COLUMN scorer.model_versions.model_version IS 'Name of the version: its folder under models/<job>/.';
COMMENT ON COLUMN scorer.model_versions.status IS 'candidate, staging, production or archived; changed by scorer.move_model alone.';
COMMENT ON COLUMN scorer.model_versions.sha256 IS 'SHA-256 of the artefact, compared before a byte of it is unpickled.';
COMMENT ON COLUMN scorer.model_versions.manifest IS 'The manifest as registered: features in order, library versions, metrics.';
COMMENT ON COLUMN scorer.model_versions.registered_at IS 'When it was registered.';
COMMENT ON COLUMN scorer.model_versions.registered_by IS 'Login that registered it.';
COMMENT ON COLUMN scorer.model_versions.promoted_at IS 'When it last went into production.';

CREATE TABLE scorer.model_events (
    event_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    model_version text NOT NULL,
    from_status text,
    to_status text NOT NULL,
    happened_at timestamptz NOT NULL DEFAULT now(),
    done_by text NOT NULL DEFAULT session_user,
    why text NOT NULL,
    FOREIGN KEY (job, model_version) REFERENCES scorer.model_versions
);
COMMENT ON TABLE scorer.model_events IS 'What happened to a model version: one row per change of status, written by a trigger.';
COMMENT ON COLUMN scorer.model_events.event_id IS 'Key.';
COMMENT ON COLUMN scorer.model_events.job IS 'Job of the model.';
COMMENT ON COLUMN scorer.model_events.model_version IS 'Version that changed.';
COMMENT ON COLUMN scorer.model_events.from_status IS 'Status before; null at registration.';
COMMENT ON COLUMN scorer.model_events.to_status IS 'Status after.';
COMMENT ON COLUMN scorer.model_events.happened_at IS 'When.';
COMMENT ON COLUMN scorer.model_events.done_by IS 'Login that did it.';
COMMENT ON COLUMN scorer.model_events.why IS 'The reason given.';

CREATE TABLE scorer.runs (
    run_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    job_version text NOT NULL,
    model_version text,
    trigger text NOT NULL CHECK (trigger IN ('schedule', 'manual', 'request', 'catch-up', 'backfill')),
    status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'succeeded', 'failed')),
    scheduled_for timestamptz,
    as_of timestamptz NOT NULL,
    as_known_at timestamptz NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz,
    eligible bigint NOT NULL DEFAULT 0,
    scored bigint NOT NULL DEFAULT 0,
    unchanged bigint NOT NULL DEFAULT 0,
    quarantined bigint NOT NULL DEFAULT 0,
    insufficient bigint NOT NULL DEFAULT 0,
    indeterminate bigint NOT NULL DEFAULT 0,
    failed bigint NOT NULL DEFAULT 0,
    resumed integer NOT NULL DEFAULT 0,
    error text,
    scorer_version text NOT NULL,
    -- Looked at when the run is kept: a dry run registers nothing, so that nobody has to wait for it.
    FOREIGN KEY (job, job_version) REFERENCES scorer.job_versions DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT runs_balance CHECK (
        status <> 'succeeded'
        OR eligible = scored + unchanged + quarantined + insufficient + indeterminate + failed
    ),
    CONSTRAINT runs_finished CHECK ((status = 'running') = (finished_at IS NULL)),
    CONSTRAINT runs_failed_say_why CHECK (status <> 'failed' OR error IS NOT NULL),
    CONSTRAINT runs_counts CHECK (LEAST(eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed) >= 0)
);
CREATE INDEX runs_by_job ON scorer.runs (job, run_id);
CREATE INDEX runs_running ON scorer.runs (job, run_id) WHERE status = 'running';
COMMENT ON TABLE scorer.runs IS 'One row per firing of a job. A run that does not balance cannot be marked succeeded.';
COMMENT ON COLUMN scorer.runs.run_id IS 'Key; also the key of the advisory lock that a live run holds.';
COMMENT ON COLUMN scorer.runs.job IS 'Job that fired.';
COMMENT ON COLUMN scorer.runs.job_version IS 'Version of the job when the run began.';
COMMENT ON COLUMN scorer.runs.model_version IS 'Model in production when the run began.';
COMMENT ON COLUMN scorer.runs.trigger IS 'What set it off: schedule, manual, request, catch-up or backfill.';
COMMENT ON COLUMN scorer.runs.status IS 'running, succeeded or failed. A run whose process died stays running until the next one of its job finishes it.';
COMMENT ON COLUMN scorer.runs.scheduled_for IS 'The tick it belongs to, where the schedule set it off.';
COMMENT ON COLUMN scorer.runs.as_of IS 'The moment whose knowledge is used: observation_date <= as_of.';
COMMENT ON COLUMN scorer.runs.as_known_at IS 'What the database knew at this moment: recorded_at <= as_known_at.';
COMMENT ON COLUMN scorer.runs.started_at IS 'When it began.';
COMMENT ON COLUMN scorer.runs.finished_at IS 'When it ended; null while it runs.';
COMMENT ON COLUMN scorer.runs.eligible IS 'Entities that were due.';
COMMENT ON COLUMN scorer.runs.scored IS 'Of them, scored.';
COMMENT ON COLUMN scorer.runs.unchanged IS 'Of them, with the same inputs and a score that is still valid.';
COMMENT ON COLUMN scorer.runs.quarantined IS 'Of them, held by a rule.';
COMMENT ON COLUMN scorer.runs.insufficient IS 'Of them, with too few observations.';
COMMENT ON COLUMN scorer.runs.indeterminate IS 'Of them, declined by the model.';
COMMENT ON COLUMN scorer.runs.failed IS 'Of them, those for which scoring raised.';
COMMENT ON COLUMN scorer.runs.resumed IS 'How often another process finished what was left of it.';
COMMENT ON COLUMN scorer.runs.error IS 'Why it failed, in one sentence.';
COMMENT ON COLUMN scorer.runs.scorer_version IS 'Version of the program.';

CREATE TABLE scorer.batches (
    batch_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES scorer.runs,
    worker text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    eligible bigint NOT NULL,
    scored bigint NOT NULL,
    unchanged bigint NOT NULL,
    quarantined bigint NOT NULL,
    insufficient bigint NOT NULL,
    indeterminate bigint NOT NULL,
    failed bigint NOT NULL,
    observations_read bigint NOT NULL,
    observations_dropped bigint NOT NULL,
    unknown_codes jsonb NOT NULL DEFAULT '{}',
    seconds jsonb NOT NULL DEFAULT '{}',
    CONSTRAINT batches_balance CHECK (
        eligible = scored + unchanged + quarantined + insufficient + indeterminate + failed
    )
);
CREATE INDEX batches_by_run ON scorer.batches (run_id);
COMMENT ON TABLE scorer.batches IS 'One row per committed transaction of a run: how its entities ended, and where the time went.';
COMMENT ON COLUMN scorer.batches.batch_id IS 'Key.';
COMMENT ON COLUMN scorer.batches.run_id IS 'Run it belongs to.';
COMMENT ON COLUMN scorer.batches.worker IS 'Host and process that carried it.';
COMMENT ON COLUMN scorer.batches.started_at IS 'When its transaction began.';
COMMENT ON COLUMN scorer.batches.finished_at IS 'When it was about to commit.';
COMMENT ON COLUMN scorer.batches.eligible IS 'Entities claimed.';
COMMENT ON COLUMN scorer.batches.scored IS 'Of them, scored.';
COMMENT ON COLUMN scorer.batches.unchanged IS 'Of them, unchanged.';
COMMENT ON COLUMN scorer.batches.quarantined IS 'Of them, held by a rule.';
COMMENT ON COLUMN scorer.batches.insufficient IS 'Of them, with too few observations.';
COMMENT ON COLUMN scorer.batches.indeterminate IS 'Of them, declined by the model.';
COMMENT ON COLUMN scorer.batches.failed IS 'Of them, those for which scoring raised.';
COMMENT ON COLUMN scorer.batches.observations_read IS 'Observations read from the source.';
COMMENT ON COLUMN scorer.batches.observations_dropped IS 'Of them, left out by a rule.';
COMMENT ON COLUMN scorer.batches.unknown_codes IS 'Observation type codes that the job does not know, with how many rows bore each.';
COMMENT ON COLUMN scorer.batches.seconds IS 'Seconds by step of the line.';

CREATE TABLE scorer.work (
    work_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL,
    job text NOT NULL,
    entity_id text NOT NULL,
    as_of timestamptz NOT NULL,
    priority smallint NOT NULL DEFAULT 0,
    request_id bigint,
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (job, entity_id)
);
CREATE INDEX work_to_claim ON scorer.work (run_id, priority DESC, work_id);
-- No foreign key to runs: one check a row, for rows that are written and removed by statements which name their run.
COMMENT ON TABLE scorer.work IS 'Due entities that wait: one row each, gone when its batch commits. Claimed FOR UPDATE SKIP LOCKED.';
COMMENT ON COLUMN scorer.work.work_id IS 'Key; the order of work within a priority.';
COMMENT ON COLUMN scorer.work.run_id IS 'Run that counts it as eligible.';
COMMENT ON COLUMN scorer.work.job IS 'Job it is due for.';
COMMENT ON COLUMN scorer.work.entity_id IS 'Entity that is due.';
COMMENT ON COLUMN scorer.work.as_of IS 'Its own as-of time: the run''s, or earlier where its record ended earlier.';
COMMENT ON COLUMN scorer.work.priority IS 'Higher first; requests go before the schedule.';
COMMENT ON COLUMN scorer.work.request_id IS 'Request that asked for it, if any.';
COMMENT ON COLUMN scorer.work.enqueued_at IS 'When it was found due.';

CREATE TABLE scorer.scores (
    score_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    entity_id text NOT NULL,
    output text NOT NULL,
    run_id bigint NOT NULL,
    batch_id bigint NOT NULL,
    task text NOT NULL CHECK (task IN ('binary', 'multiclass', 'regression')),
    status text NOT NULL CHECK (status IN ('SCORED', 'QUARANTINED', 'INSUFFICIENT', 'INDETERMINATE', 'FAILED')),
    reason text,
    score double precision,
    risk_band text,
    label text,
    outputs jsonb NOT NULL DEFAULT '{}',
    attributes jsonb NOT NULL DEFAULT '{}',
    as_of timestamptz NOT NULL,
    as_known_at timestamptz NOT NULL,
    scored_at timestamptz NOT NULL DEFAULT now(),
    valid_until timestamptz,
    input_hash bytea NOT NULL,
    features bytea,
    model_version text,
    job_version text NOT NULL,
    shadow boolean NOT NULL DEFAULT false,
    CONSTRAINT scores_one_outcome_per_run UNIQUE (job, entity_id, run_id, output, shadow),
    CONSTRAINT scores_finite CHECK (score > '-Infinity' AND score < 'Infinity'),
    CONSTRAINT scores_probability CHECK (task = 'regression' OR score BETWEEN 0 AND 1),
    CONSTRAINT scores_scored_is_whole CHECK (
        (status = 'SCORED') = (score IS NOT NULL)
        AND (status <> 'SCORED' OR (valid_until IS NOT NULL AND model_version IS NOT NULL AND features IS NOT NULL))
        AND (status = 'SCORED' OR (reason IS NOT NULL AND risk_band IS NULL AND label IS NULL))
    )
) WITH (toast_tuple_target = 8160);
COMMENT ON TABLE scorer.scores IS 'The ledger: one row per outcome, never changed. No role may update or delete, and a trigger refuses whoever tries.';
COMMENT ON COLUMN scorer.scores.score_id IS 'Key.';
COMMENT ON COLUMN scorer.scores.job IS 'Job that scored.';
COMMENT ON COLUMN scorer.scores.entity_id IS 'Entity that was scored.';
COMMENT ON COLUMN scorer.scores.output IS 'Which of the job''s outputs this is.';
COMMENT ON COLUMN scorer.scores.run_id IS 'Run in which it was scored.';
COMMENT ON COLUMN scorer.scores.batch_id IS 'Batch whose transaction wrote it.';
COMMENT ON COLUMN scorer.scores.task IS 'binary, multiclass or regression: how to read score.';
COMMENT ON COLUMN scorer.scores.status IS 'SCORED, or why there is no score: QUARANTINED, INSUFFICIENT, INDETERMINATE, FAILED.';
COMMENT ON COLUMN scorer.scores.reason IS 'Where there is no score, the rule or the cause.';
COMMENT ON COLUMN scorer.scores.score IS 'Probability (binary, multiclass) or value (regression); null where there is none, never NaN or infinite.';
COMMENT ON COLUMN scorer.scores.risk_band IS 'Band of the score by the job version''s limits.';
COMMENT ON COLUMN scorer.scores.label IS 'Most probable class, for multiclass.';
COMMENT ON COLUMN scorer.scores.outputs IS 'Further outputs, such as every class''s probability.';
COMMENT ON COLUMN scorer.scores.attributes IS 'Attributes of the entity that the job publishes, as known then.';
COMMENT ON COLUMN scorer.scores.as_of IS 'The moment whose knowledge was used: observation_date <= as_of.';
COMMENT ON COLUMN scorer.scores.as_known_at IS 'What the database knew at this moment was used: recorded_at <= as_known_at.';
COMMENT ON COLUMN scorer.scores.scored_at IS 'When it was written.';
COMMENT ON COLUMN scorer.scores.valid_until IS 'From then on the score is stale.';
COMMENT ON COLUMN scorer.scores.input_hash IS 'SHA-256 over the entity''s observations and attributes as they were read.';
COMMENT ON COLUMN scorer.scores.features IS 'Feature vector: little-endian float64 in the order of the manifest''s features; NaN for missing.';
COMMENT ON COLUMN scorer.scores.model_version IS 'Model that scored.';
COMMENT ON COLUMN scorer.scores.job_version IS 'Job as it stood: definition, statements, suites, bands.';
COMMENT ON COLUMN scorer.scores.shadow IS 'True where a challenger scored beside production; never current.';

CREATE TABLE scorer.current_scores (
    job text NOT NULL,
    entity_id text NOT NULL,
    output text NOT NULL,
    status text NOT NULL CHECK (status IN ('SCORED', 'QUARANTINED', 'INSUFFICIENT', 'INDETERMINATE', 'FAILED')),
    status_as_of timestamptz NOT NULL,
    status_at timestamptz NOT NULL,
    reason text,
    input_hash bytea NOT NULL,
    judged_by_model text,
    judged_by_job text NOT NULL,
    attributes jsonb NOT NULL DEFAULT '{}',
    score_id bigint,
    score double precision CHECK (score > '-Infinity' AND score < 'Infinity'),
    risk_band text,
    label text,
    outputs jsonb NOT NULL DEFAULT '{}',
    as_of timestamptz,
    scored_at timestamptz,
    valid_until timestamptz,
    model_version text,
    PRIMARY KEY (job, entity_id, output),
    CONSTRAINT current_scores_scored_is_whole CHECK (
        (status <> 'SCORED' OR score IS NOT NULL)
        AND num_nulls(score_id, score, as_of, scored_at, valid_until, model_version) IN (0, 6)
    )
) WITH (fillfactor = 70);
COMMENT ON TABLE scorer.current_scores IS 'One row per entity and output: its newest status, and its newest score until a newer one takes its place.';
COMMENT ON COLUMN scorer.current_scores.job IS 'Job.';
COMMENT ON COLUMN scorer.current_scores.entity_id IS 'Entity.';
COMMENT ON COLUMN scorer.current_scores.output IS 'Which of the job''s outputs this is.';
COMMENT ON COLUMN scorer.current_scores.status IS 'How it ended when it was last judged.';
COMMENT ON COLUMN scorer.current_scores.status_as_of IS 'As-of time of that judgement.';
COMMENT ON COLUMN scorer.current_scores.status_at IS 'When that was.';
COMMENT ON COLUMN scorer.current_scores.reason IS 'Where it has no new score, the rule or the cause.';
COMMENT ON COLUMN scorer.current_scores.input_hash IS 'Inputs that were judged.';
COMMENT ON COLUMN scorer.current_scores.judged_by_model IS 'Model version of that judgement.';
COMMENT ON COLUMN scorer.current_scores.judged_by_job IS 'Job version of that judgement.';
COMMENT ON COLUMN scorer.current_scores.attributes IS 'Attributes that the job publishes.';
COMMENT ON COLUMN scorer.current_scores.score_id IS 'Ledger row of the newest score; null where there never was one.';
COMMENT ON COLUMN scorer.current_scores.score IS 'The newest score.';
COMMENT ON COLUMN scorer.current_scores.risk_band IS 'Its band.';
COMMENT ON COLUMN scorer.current_scores.label IS 'Its label.';
COMMENT ON COLUMN scorer.current_scores.outputs IS 'Its further outputs.';
COMMENT ON COLUMN scorer.current_scores.as_of IS 'Its as-of time.';
COMMENT ON COLUMN scorer.current_scores.scored_at IS 'When it was written.';
COMMENT ON COLUMN scorer.current_scores.valid_until IS 'From then on it is stale.';
COMMENT ON COLUMN scorer.current_scores.model_version IS 'Model that scored.';

CREATE TABLE scorer.write_backs (
    job text NOT NULL,
    entity_id text NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (job, entity_id)
);
COMMENT ON TABLE scorer.write_backs IS 'Scores that wait to be written back, because somebody held the row: one row per entity, gone once it is written, or the score is stale.';
COMMENT ON COLUMN scorer.write_backs.job IS 'Job that scored.';
COMMENT ON COLUMN scorer.write_backs.entity_id IS 'Entity whose newest score waits.';
COMMENT ON COLUMN scorer.write_backs.since IS 'When it was first passed over.';

CREATE TABLE scorer.recalls (
    score_id bigint PRIMARY KEY REFERENCES scorer.scores,
    recalled_at timestamptz NOT NULL DEFAULT now(),
    recalled_by text NOT NULL DEFAULT session_user,
    why text NOT NULL
);
COMMENT ON TABLE scorer.recalls IS 'Scores entered in error: one row each, beside the ledger, which keeps them.';
COMMENT ON COLUMN scorer.recalls.score_id IS 'Ledger row that was recalled.';
COMMENT ON COLUMN scorer.recalls.recalled_at IS 'When.';
COMMENT ON COLUMN scorer.recalls.recalled_by IS 'Login that recalled it.';
COMMENT ON COLUMN scorer.recalls.why IS 'The reason given.';

CREATE TABLE scorer.rejections (
    rejection_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    entity_id text NOT NULL,
    observation_id text NOT NULL,
    rule text NOT NULL,
    action text NOT NULL CHECK (action IN ('warn', 'drop', 'quarantine', 'fail')),
    column_name text NOT NULL,
    observed text NOT NULL,
    expected text NOT NULL,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 1,
    run_id bigint NOT NULL,
    resolved_at timestamptz
);
CREATE UNIQUE INDEX rejections_open ON scorer.rejections (job, entity_id, rule, observation_id) WHERE resolved_at IS NULL;
COMMENT ON TABLE scorer.rejections IS 'Refused observations and entities, with the rule: one row per finding from when it was first seen until it is mended.';
COMMENT ON COLUMN scorer.rejections.rejection_id IS 'Key.';
COMMENT ON COLUMN scorer.rejections.job IS 'Job whose suite refused it.';
COMMENT ON COLUMN scorer.rejections.entity_id IS 'Entity it belongs to; empty where it belongs to none.';
COMMENT ON COLUMN scorer.rejections.observation_id IS 'Refused observation; empty where the finding is about the entity.';
COMMENT ON COLUMN scorer.rejections.rule IS 'Rule that was broken, by its id in the suite.';
COMMENT ON COLUMN scorer.rejections.action IS 'What the rule does: warn, drop, quarantine or fail.';
COMMENT ON COLUMN scorer.rejections.column_name IS 'Column it looked at.';
COMMENT ON COLUMN scorer.rejections.observed IS 'What was seen. A patient''s value: never in a log.';
COMMENT ON COLUMN scorer.rejections.expected IS 'What was expected.';
COMMENT ON COLUMN scorer.rejections.first_seen_at IS 'When it was first refused.';
COMMENT ON COLUMN scorer.rejections.last_seen_at IS 'When it was last refused.';
COMMENT ON COLUMN scorer.rejections.attempts IS 'How often it was judged and refused.';
COMMENT ON COLUMN scorer.rejections.run_id IS 'Run that last refused it.';
COMMENT ON COLUMN scorer.rejections.resolved_at IS 'When it was found mended; null while it is open.';

CREATE TABLE scorer.validation_results (
    result_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id bigint NOT NULL REFERENCES scorer.runs,
    batch_id bigint REFERENCES scorer.batches,
    suite text NOT NULL,
    rule text NOT NULL,
    expectation text NOT NULL,
    action text NOT NULL CHECK (action IN ('warn', 'drop', 'quarantine', 'fail')),
    column_name text NOT NULL,
    judged bigint NOT NULL,
    unexpected bigint NOT NULL,
    success boolean NOT NULL,
    detail text NOT NULL DEFAULT '',
    judged_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX validation_results_by_run ON scorer.validation_results (run_id);
COMMENT ON TABLE scorer.validation_results IS 'What each rule of each suite found: one row per batch and rule; counts, no patient''s value.';
COMMENT ON COLUMN scorer.validation_results.result_id IS 'Key.';
COMMENT ON COLUMN scorer.validation_results.run_id IS 'Run.';
COMMENT ON COLUMN scorer.validation_results.batch_id IS 'Batch; null where the run was stopped and the batch rolled back.';
COMMENT ON COLUMN scorer.validation_results.suite IS 'observations, features or scores.';
COMMENT ON COLUMN scorer.validation_results.rule IS 'Rule, by its id in the suite.';
COMMENT ON COLUMN scorer.validation_results.expectation IS 'Great Expectations'' name of what was checked.';
COMMENT ON COLUMN scorer.validation_results.action IS 'What a breach does.';
COMMENT ON COLUMN scorer.validation_results.column_name IS 'Column it looked at.';
COMMENT ON COLUMN scorer.validation_results.judged IS 'Rows judged.';
COMMENT ON COLUMN scorer.validation_results.unexpected IS 'Rows that broke the rule.';
COMMENT ON COLUMN scorer.validation_results.success IS 'Whether the expectation as a whole held.';
COMMENT ON COLUMN scorer.validation_results.detail IS 'What an aggregate rule measured.';
COMMENT ON COLUMN scorer.validation_results.judged_at IS 'When.';

CREATE TABLE scorer.requests (
    request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    entity_id text NOT NULL,
    status text NOT NULL DEFAULT 'waiting' CHECK (status IN ('waiting', 'done', 'cancelled', 'refused')),
    requested_at timestamptz NOT NULL DEFAULT now(),
    requested_by text NOT NULL DEFAULT session_user,
    finished_at timestamptz,
    score_id bigint REFERENCES scorer.scores,
    reason text,
    CONSTRAINT requests_finished CHECK ((status = 'waiting') = (finished_at IS NULL))
);
CREATE INDEX requests_waiting ON scorer.requests (job, request_id) WHERE status = 'waiting';
COMMENT ON TABLE scorer.requests IS 'Scores asked for by name: one row per job and entity asked for.';
COMMENT ON COLUMN scorer.requests.request_id IS 'Key.';
COMMENT ON COLUMN scorer.requests.job IS 'Job asked.';
COMMENT ON COLUMN scorer.requests.entity_id IS 'Entity asked for.';
COMMENT ON COLUMN scorer.requests.status IS 'waiting, done, cancelled or refused.';
COMMENT ON COLUMN scorer.requests.requested_at IS 'When it was asked.';
COMMENT ON COLUMN scorer.requests.requested_by IS 'Login that asked.';
COMMENT ON COLUMN scorer.requests.finished_at IS 'When it was answered.';
COMMENT ON COLUMN scorer.requests.score_id IS 'Ledger row that answers it.';
COMMENT ON COLUMN scorer.requests.reason IS 'Why it was cancelled or refused.';

-- The ledger refuses, whoever asks.

CREATE FUNCTION scorer.refuse_change() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'insufficient_privilege',
        MESSAGE = 'scorer.' || TG_TABLE_NAME || ' is append-only: ' || TG_OP || ' is refused';
END
$$;
COMMENT ON FUNCTION scorer.refuse_change() IS 'Raises, whatever is tried: the trigger of append-only tables.';
CREATE TRIGGER scores_append_only BEFORE UPDATE OR DELETE ON scorer.scores FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER scores_no_truncate BEFORE TRUNCATE ON scorer.scores FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER model_events_append_only BEFORE UPDATE OR DELETE ON scorer.model_events FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER model_events_no_truncate BEFORE TRUNCATE ON scorer.model_events FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

-- A model's status changes step by step, and each step is an event with who, when and why.

CREATE FUNCTION scorer.check_model_step() RETURNS trigger
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
CREATE TRIGGER model_versions_step BEFORE INSERT OR UPDATE ON scorer.model_versions FOR EACH ROW EXECUTE FUNCTION scorer.check_model_step();

CREATE FUNCTION scorer.record_model_event() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO scorer.model_events (job, model_version, from_status, to_status, why)
    VALUES (
        NEW.job,
        NEW.model_version,
        CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END,
        NEW.status,
        COALESCE(NULLIF(current_setting('scorer.why', true), ''), 'registered')
    );
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.record_model_event() IS 'Writes the event of each change of status.';
CREATE TRIGGER model_versions_event AFTER INSERT OR UPDATE OF status ON scorer.model_versions FOR EACH ROW EXECUTE FUNCTION scorer.record_model_event();

CREATE FUNCTION scorer.move_model(for_job text, for_version text, to_status text, reason text) RETURNS void
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
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA scorer FROM PUBLIC;

-- What reporting tools read, and nothing else.

CREATE VIEW reporting.current_scores AS
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
FROM scorer.current_scores AS c;
COMMENT ON VIEW reporting.current_scores IS 'One row per job, entity and output: newest status and newest score. stale: the score is past valid_until, or of a clock that was wrong; do not act on it.';

CREATE VIEW reporting.score_history AS
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
    s.status = 'SCORED' AND NOT s.shadow AND c.score_id IS DISTINCT FROM s.score_id AS superseded,
    r.score_id IS NOT NULL AS recalled
FROM scorer.scores AS s
LEFT JOIN scorer.current_scores AS c USING (job, entity_id, output)
LEFT JOIN scorer.recalls AS r ON r.score_id = s.score_id;
COMMENT ON VIEW reporting.score_history IS 'One row per ledger entry. superseded: a newer score has taken its place; recalled: entered in error.';

CREATE VIEW reporting.runs AS
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
FROM scorer.runs AS r;
COMMENT ON VIEW reporting.runs IS 'One row per run. Of a succeeded run, the six counts add up to eligible.';

CREATE VIEW reporting.quarantine AS
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
FROM scorer.rejections AS q;
COMMENT ON VIEW reporting.quarantine IS 'One row per refused observation or entity, with the rule; open where resolved_at is null. Only action quarantine holds the entity.';

CREATE VIEW reporting.validation AS
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
FROM scorer.validation_results AS v
JOIN scorer.runs AS r USING (run_id)
GROUP BY v.run_id, r.job, v.suite, v.rule, v.expectation, v.action, v.column_name;
COMMENT ON VIEW reporting.validation IS 'One row per run and rule: how many rows it judged and how many broke it.';

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

-- Who may do what.

GRANT USAGE ON SCHEMA scorer TO scorer_worker, scorer_approver, scorer_requester;
GRANT USAGE ON SCHEMA reporting TO scorer_worker, scorer_approver, scorer_requester, scorer_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA scorer TO scorer_worker;
GRANT SELECT ON
    reporting.current_scores,
    reporting.score_history,
    reporting.runs,
    reporting.quarantine,
    reporting.validation,
    reporting.models
TO scorer_worker, scorer_approver, scorer_reader;
GRANT INSERT ON
    scorer.job_versions,
    scorer.runs,
    scorer.batches,
    scorer.work,
    scorer.scores,
    scorer.current_scores,
    scorer.write_backs,
    scorer.rejections,
    scorer.validation_results
TO scorer_worker;
GRANT INSERT (job, model_version, sha256, manifest) ON scorer.model_versions TO scorer_worker;
GRANT UPDATE ON scorer.runs, scorer.current_scores, scorer.rejections, scorer.requests TO scorer_worker;
GRANT DELETE, UPDATE ON scorer.work TO scorer_worker;
GRANT DELETE ON scorer.write_backs TO scorer_worker;
GRANT USAGE ON SEQUENCE scorer.scores_score_id_seq, scorer.batches_batch_id_seq TO scorer_worker;
GRANT SELECT ON scorer.alembic_version, scorer.model_versions, scorer.model_events TO scorer_approver;
GRANT EXECUTE ON FUNCTION scorer.move_model(text, text, text, text) TO scorer_approver;
GRANT SELECT ON scorer.requests TO scorer_requester;
GRANT INSERT (job, entity_id) ON scorer.requests TO scorer_requester;
