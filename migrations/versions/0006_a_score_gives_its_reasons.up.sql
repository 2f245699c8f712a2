-- A score's reasons; challengers that score beside production, in the shadow. The new column locks batches for a moment and rewrites
-- nothing; the index of shadow scores reads the ledger once, and holds up who would write to it meanwhile.

CREATE TABLE scorer.score_reasons (
    score_id bigint NOT NULL,
    rank smallint NOT NULL CHECK (rank > 0),
    kind text NOT NULL CHECK (kind IN ('feature', 'others', 'bias')),
    feature text,
    value double precision,
    contribution double precision NOT NULL CHECK (contribution > '-Infinity' AND contribution < 'Infinity'),
    code text,
    attribute text,
    source text CHECK (source IN ('last', 'first', 'lowest', 'highest', 'newest')),
    observation_id text,
    observation_date timestamptz,
    observation_value double precision,
    PRIMARY KEY (score_id, rank),
    CONSTRAINT score_reasons_feature CHECK ((kind = 'feature') = (feature IS NOT NULL)),
    CONSTRAINT score_reasons_observation CHECK ((source IS NULL) = (observation_id IS NULL))
);
-- No foreign key to scores: one check a row, for rows that are written by the statement that names the row of the ledger.
COMMENT ON TABLE scorer.score_reasons IS 'Why a score is what it is: one row per foremost feature, one for all others together, one for the bias. The contributions of a score add up to its log-odds. Never changed.';
COMMENT ON COLUMN scorer.score_reasons.score_id IS 'Ledger row that is explained.';
COMMENT ON COLUMN scorer.score_reasons.rank IS 'From 1: features by the size of their contribution, then the others, then the bias.';
COMMENT ON COLUMN scorer.score_reasons.kind IS 'feature; others: all other features together; bias: what the model says before any feature.';
COMMENT ON COLUMN scorer.score_reasons.feature IS 'Name of the feature.';
COMMENT ON COLUMN scorer.score_reasons.value IS 'Its value; null where it was missing, which tells the model something too.';
COMMENT ON COLUMN scorer.score_reasons.contribution IS 'What it adds to the log-odds of the score.';
COMMENT ON COLUMN scorer.score_reasons.code IS 'Observation type that the feature is made of.';
COMMENT ON COLUMN scorer.score_reasons.attribute IS 'Attribute that the feature is made of.';
COMMENT ON COLUMN scorer.score_reasons.source IS 'Which observation is named: the last, first, lowest or highest one, whose value the feature rests on, or the newest of all those that it is made of.';
COMMENT ON COLUMN scorer.score_reasons.observation_id IS 'Key of that observation in the source; null where there was none in the window.';
COMMENT ON COLUMN scorer.score_reasons.observation_date IS 'When it was true.';
COMMENT ON COLUMN scorer.score_reasons.observation_value IS 'Its value. A patient''s value: never in a log.';
CREATE TRIGGER score_reasons_append_only BEFORE UPDATE OR DELETE ON scorer.score_reasons FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER score_reasons_no_truncate BEFORE TRUNCATE ON scorer.score_reasons FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

CREATE TABLE scorer.challengers (
    challenger_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    model_version text NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    started_by text NOT NULL DEFAULT session_user,
    why text NOT NULL,
    stopped_at timestamptz,
    stopped_by text,
    stopped_why text,
    FOREIGN KEY (job, model_version) REFERENCES scorer.model_versions,
    CONSTRAINT challengers_stopped CHECK (num_nulls(stopped_at, stopped_by, stopped_why) IN (0, 3))
);
CREATE UNIQUE INDEX challengers_one_a_job ON scorer.challengers (job) WHERE stopped_at IS NULL;
COMMENT ON TABLE scorer.challengers IS 'Versions in staging that score, or scored, beside production: one row per challenge, at most one of a job at a time. Kept.';
COMMENT ON COLUMN scorer.challengers.challenger_id IS 'Key.';
COMMENT ON COLUMN scorer.challengers.job IS 'Job.';
COMMENT ON COLUMN scorer.challengers.model_version IS 'Version that scores beside the one in production.';
COMMENT ON COLUMN scorer.challengers.started_at IS 'Since when.';
COMMENT ON COLUMN scorer.challengers.started_by IS 'Login that started it.';
COMMENT ON COLUMN scorer.challengers.why IS 'The reason given.';
COMMENT ON COLUMN scorer.challengers.stopped_at IS 'Until when; null while it goes on.';
COMMENT ON COLUMN scorer.challengers.stopped_by IS 'Login that stopped it.';
COMMENT ON COLUMN scorer.challengers.stopped_why IS 'The reason given, or the status that the version went to.';

ALTER TABLE scorer.batches
    ADD COLUMN shadows bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN scorer.batches.shadows IS 'Rows of the ledger that the challenger''s scores made beside; they are in no other count.';
CREATE INDEX scores_in_shadow ON scorer.scores (job, model_version, score_id) WHERE shadow;

CREATE FUNCTION scorer.start_challenge(for_job text, for_version text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_status text;
    standing text;
BEGIN
    IF COALESCE(btrim(reason), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'a challenge needs a reason; give it with --why';
    END IF;
    SELECT m.status INTO found_status
    FROM scorer.model_versions AS m
    WHERE m.job = for_job
      AND m.model_version = for_version
    FOR SHARE;
    IF found_status IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'model ' || left(for_version, 100) || ' of ' || left(for_job, 100) || ' is not registered; see `scorer model list`';
    END IF;
    IF found_status <> 'staging' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'model ' || for_version || ' of ' || for_job || ' is ' || found_status || '; only a version in staging may challenge production';
    END IF;
    INSERT INTO scorer.challengers (job, model_version, why)
    VALUES (for_job, for_version, reason)
    ON CONFLICT (job) WHERE stopped_at IS NULL DO NOTHING;
    IF NOT FOUND THEN
        SELECT c.model_version INTO standing
        FROM scorer.challengers AS c
        WHERE c.job = for_job
          AND c.stopped_at IS NULL;
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'model ' || standing || ' of ' || for_job || ' challenges production already; stop that first, with `scorer model challenge ' || for_job || ' --stop`';
    END IF;
END
$$;
COMMENT ON FUNCTION scorer.start_challenge(text, text, text) IS 'Has a version in staging score beside production, in the shadow; one of a job at a time.';

CREATE FUNCTION scorer.stop_challenge(for_job text, reason text) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF COALESCE(btrim(reason), '') = '' THEN
        RAISE EXCEPTION USING ERRCODE = 'SC001', MESSAGE = 'to stop a challenge, a reason is needed; give it with --why';
    END IF;
    UPDATE scorer.challengers
    SET stopped_at = now(),
        stopped_by = session_user,
        stopped_why = reason
    WHERE job = for_job
      AND stopped_at IS NULL;
    RETURN FOUND;
END
$$;
COMMENT ON FUNCTION scorer.stop_challenge(text, text) IS 'Stops the challenge of a job; false where none stands.';

CREATE FUNCTION scorer.end_challenge() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE scorer.challengers
    SET stopped_at = now(),
        stopped_by = session_user,
        stopped_why = 'the version went from staging to ' || NEW.status
    WHERE job = NEW.job
      AND model_version = NEW.model_version
      AND stopped_at IS NULL;
    RETURN NULL;
END
$$;
COMMENT ON FUNCTION scorer.end_challenge() IS 'Stops the challenge of a version that leaves staging.';
CREATE TRIGGER model_versions_end_challenge AFTER UPDATE OF status ON scorer.model_versions FOR EACH ROW
WHEN (OLD.status = 'staging' AND NEW.status <> 'staging') EXECUTE FUNCTION scorer.end_challenge();
REVOKE ALL ON FUNCTION
    scorer.start_challenge(text, text, text),
    scorer.stop_challenge(text, text),
    scorer.end_challenge()
FROM PUBLIC;

-- What reporting tools read.

CREATE VIEW reporting.score_reasons AS
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
COMMENT ON VIEW reporting.score_reasons IS 'One row per score and reason: feature, value, what it adds to the log-odds, and the observation that it comes from. Those of a score add up to its log-odds. current: no newer score has taken its place.';

CREATE VIEW reporting.challenger_pairs AS
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
COMMENT ON VIEW reporting.challenger_pairs IS 'One row per entity and run that two models scored: what was published, and what the other one said in its shadow. Where a live split is on, the challenger''s may be the published one.';

CREATE VIEW reporting.challengers AS
SELECT
    c.job,
    c.model_version,
    c.started_at,
    c.started_by,
    c.why,
    c.stopped_at,
    c.stopped_by,
    c.stopped_why
FROM scorer.challengers AS c;
COMMENT ON VIEW reporting.challengers IS 'One row per challenge: which version scored beside production, from when to when, and by whose decision.';

GRANT SELECT ON scorer.score_reasons, scorer.challengers TO scorer_worker;
GRANT SELECT ON scorer.challengers TO scorer_approver;
GRANT INSERT ON scorer.score_reasons TO scorer_worker;
GRANT EXECUTE ON FUNCTION scorer.start_challenge(text, text, text), scorer.stop_challenge(text, text) TO scorer_approver;
GRANT SELECT ON reporting.score_reasons, reporting.challenger_pairs, reporting.challengers
TO scorer_worker, scorer_approver, scorer_reader;
