-- What a score is defended with, or taken back by: as known at another moment than its as-of time; replays; recalls.
-- Locks no table that holds rows for longer than a moment, but for one look through scorer.current_scores: new columns without a
-- rewrite, and tables that are new.

ALTER TABLE scorer.work ADD COLUMN as_known_at timestamptz;
COMMENT ON COLUMN scorer.work.as_known_at IS 'What was recorded up to this moment is used; null: up to as_of.';
ALTER TABLE scorer.current_scores
    ADD COLUMN status_known_at timestamptz,
    DROP CONSTRAINT current_scores_status_check,
    ADD CONSTRAINT current_scores_status_check CHECK (
        status IN ('SCORED', 'QUARANTINED', 'INSUFFICIENT', 'INDETERMINATE', 'FAILED', 'RECALLED')
    );
COMMENT ON COLUMN scorer.current_scores.status IS 'How it ended when it was last judged; RECALLED: that score was recalled, and it is judged again at the next run.';
COMMENT ON COLUMN scorer.current_scores.status_known_at IS 'What was recorded up to this moment was used in that judgement; null: up to status_as_of.';

-- Replays: what the ledger says, made again.

CREATE TABLE scorer.replays (
    replay_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    score_id bigint NOT NULL REFERENCES scorer.scores,
    part text NOT NULL CHECK (part IN ('vector', 'source')),
    verdict text NOT NULL CHECK (verdict IN ('IDENTICAL', 'DIFFERS', 'NOT REPLAYABLE')),
    difference double precision,
    why text,
    inputs_changed boolean,
    alarming boolean NOT NULL,
    replayed_at timestamptz NOT NULL DEFAULT now(),
    replayed_by text NOT NULL DEFAULT session_user,
    scorer_version text NOT NULL,
    CONSTRAINT replays_say_why CHECK (verdict = 'IDENTICAL' OR why IS NOT NULL),
    CONSTRAINT replays_alarming CHECK (NOT alarming OR verdict = 'DIFFERS')
);
CREATE INDEX replays_by_score ON scorer.replays (score_id);
CREATE INDEX replays_by_time ON scorer.replays (replayed_at);
COMMENT ON TABLE scorer.replays IS 'What became of a ledger row when it was made again: one row per score, part and replay. No patient''s value.';
COMMENT ON COLUMN scorer.replays.replay_id IS 'Key.';
COMMENT ON COLUMN scorer.replays.score_id IS 'Ledger row that was made again.';
COMMENT ON COLUMN scorer.replays.part IS 'vector: from the feature vector that the ledger keeps; source: from the hospital''s tables, as known then.';
COMMENT ON COLUMN scorer.replays.verdict IS 'IDENTICAL to the last bit, DIFFERS, or NOT REPLAYABLE.';
COMMENT ON COLUMN scorer.replays.difference IS 'New score less the ledger''s, where both have one.';
COMMENT ON COLUMN scorer.replays.why IS 'What differs or has changed: names of features, never their values.';
COMMENT ON COLUMN scorer.replays.inputs_changed IS 'Whether the source tables now hold other rows of that time than were scored; null where they were not read.';
COMMENT ON COLUMN scorer.replays.alarming IS 'Whether the program is at fault, and not a correction in the source: it made another thing of the same inputs.';
COMMENT ON COLUMN scorer.replays.replayed_at IS 'When.';
COMMENT ON COLUMN scorer.replays.replayed_by IS 'Login that replayed it.';
COMMENT ON COLUMN scorer.replays.scorer_version IS 'Version of the program that replayed it.';

CREATE VIEW reporting.replays AS
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
COMMENT ON VIEW reporting.replays IS 'One row per score, part and replay: IDENTICAL, DIFFERS or NOT REPLAYABLE, and why. alarming: the same inputs gave something else.';

-- Recalls: scores entered in error.

CREATE TABLE scorer.recall_events (
    recall_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job text NOT NULL,
    happened_at timestamptz NOT NULL,
    done_by text NOT NULL DEFAULT session_user,
    why text NOT NULL CHECK (btrim(why) <> ''),
    model_version text,
    job_version text,
    scored_from timestamptz,
    scored_until timestamptz,
    in_force boolean NOT NULL,
    trial boolean NOT NULL DEFAULT false,
    scores bigint NOT NULL,
    shadow_scores bigint NOT NULL,
    entities bigint NOT NULL,
    CONSTRAINT recall_events_span CHECK ((scored_from IS NULL) = (scored_until IS NULL) AND scored_from < scored_until),
    CONSTRAINT recall_events_criteria CHECK (num_nonnulls(model_version, job_version, scored_from) > 0),
    CONSTRAINT recall_events_counts CHECK (scores + shadow_scores > 0 AND entities BETWEEN 0 AND scores)
);
CREATE INDEX recall_events_by_job ON scorer.recall_events (job, happened_at);
COMMENT ON TABLE scorer.recall_events IS 'One row per recall: who recalled which scores, when and why. Never changed.';
COMMENT ON COLUMN scorer.recall_events.recall_id IS 'Key.';
COMMENT ON COLUMN scorer.recall_events.job IS 'Job whose scores were recalled.';
COMMENT ON COLUMN scorer.recall_events.happened_at IS 'When.';
COMMENT ON COLUMN scorer.recall_events.done_by IS 'Login that recalled them.';
COMMENT ON COLUMN scorer.recall_events.why IS 'The reason given.';
COMMENT ON COLUMN scorer.recall_events.model_version IS 'Those of this model; null: of any.';
COMMENT ON COLUMN scorer.recall_events.job_version IS 'Those of this job version; null: of any.';
COMMENT ON COLUMN scorer.recall_events.scored_from IS 'Those scored from then on; null: from the beginning.';
COMMENT ON COLUMN scorer.recall_events.scored_until IS 'Those scored before then; null: up to the recall.';
COMMENT ON COLUMN scorer.recall_events.in_force IS 'Whether that model was in production, or that job version in use, and goes on scoring.';
COMMENT ON COLUMN scorer.recall_events.trial IS 'Whether it was a trial: such a row is seen by its own transaction alone, which cannot be committed.';
COMMENT ON COLUMN scorer.recall_events.scores IS 'Scores recalled.';
COMMENT ON COLUMN scorer.recall_events.shadow_scores IS 'Shadow scores recalled.';
COMMENT ON COLUMN scorer.recall_events.entities IS 'Of the scores, those that were current: so many entities have no score until they are scored again.';
CREATE TRIGGER recall_events_append_only BEFORE UPDATE OR DELETE ON scorer.recall_events FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER recall_events_no_truncate BEFORE TRUNCATE ON scorer.recall_events FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

CREATE FUNCTION scorer.refuse_trial() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'SC001',
        MESSAGE = 'recall ' || NEW.recall_id || ' was a trial, which cannot be committed; nothing was recalled';
END
$$;
COMMENT ON FUNCTION scorer.refuse_trial() IS 'Trigger: refuses to commit the trial of a recall.';
REVOKE ALL ON FUNCTION scorer.refuse_trial() FROM PUBLIC;
-- Fires at the commit, so that the trial can be looked at until then.
CREATE CONSTRAINT TRIGGER recall_events_trial AFTER INSERT ON scorer.recall_events DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.trial) EXECUTE FUNCTION scorer.refuse_trial();

ALTER TABLE scorer.recalls
    -- Looked at when the recall is kept: the event is written last, with its counts.
    ADD COLUMN recall_id bigint REFERENCES scorer.recall_events DEFERRABLE INITIALLY DEFERRED,
    ADD COLUMN was_current boolean NOT NULL DEFAULT false;
CREATE INDEX recalls_by_recall ON scorer.recalls (recall_id);
COMMENT ON COLUMN scorer.recalls.recall_id IS 'The recall that it was a part of.';
COMMENT ON COLUMN scorer.recalls.was_current IS 'Whether it was its entity''s current score.';
CREATE TRIGGER recalls_append_only BEFORE UPDATE OR DELETE ON scorer.recalls FOR EACH ROW EXECUTE FUNCTION scorer.refuse_change();
CREATE TRIGGER recalls_no_truncate BEFORE TRUNCATE ON scorer.recalls FOR EACH STATEMENT EXECUTE FUNCTION scorer.refuse_change();

-- As in 0001, but a recalled score that nothing has followed yet is not superseded.
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
    r.score_id IS NOT NULL AS recalled
FROM scorer.scores AS s
LEFT JOIN scorer.current_scores AS c USING (job, entity_id, output)
LEFT JOIN scorer.recalls AS r ON r.score_id = s.score_id;

ALTER TABLE scorer.write_backs ADD COLUMN recalled boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN scorer.write_backs.recalled IS 'Whether a recalled score may stand in that row: then it waits until it is written or emptied, however stale the score is.';
COMMENT ON TABLE scorer.write_backs IS 'Entities whose row in the hospital''s own table waits: for a score, because somebody held the row, or to have a recalled score taken out of it. Gone once that is done, or the score is stale and nothing recalled stands there.';
COMMENT ON COLUMN scorer.write_backs.entity_id IS 'Entity whose newest score waits, or, where it has none, whose recalled one is still to be taken out.';

-- A batch shares this lock for as long as its transaction lasts, and a recall has it alone: whatever a batch wrote is committed and seen by
-- the recall, and whatever it writes afterwards it has begun afterwards, with the model that is in production by then.

CREATE FUNCTION scorer.share_with_recalls(for_job text, by_model text, by_job_version text, begun_at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    told record;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('scorer.recalls ' || for_job, 0));
    SELECT e.happened_at > now() AS meanwhile
    INTO told
    FROM scorer.recall_events AS e
    WHERE e.job = for_job
      AND (
          e.happened_at > now()
          OR (
              e.happened_at > begun_at
              AND NOT e.in_force
              AND e.scored_from IS NULL
              AND e.job_version = by_job_version
              AND COALESCE(e.model_version, by_model) = by_model
          )
      )
    ORDER BY meanwhile DESC
    LIMIT 1;
    IF NOT FOUND THEN
        RETURN;
    ELSIF told.meanwhile THEN
        RAISE EXCEPTION USING
            ERRCODE = 'serialization_failure',
            MESSAGE = 'scores of job ' || for_job || ' were recalled while this transaction waited';
    ELSE
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'version ' || by_job_version || ' of job ' || for_job
                || ' was recalled while this run scored by it; what is left is due again at the next run';
    END IF;
END
$$;
COMMENT ON FUNCTION scorer.share_with_recalls(text, text, text, timestamptz) IS 'Keeps recalls of the job out until the transaction ends. Raises where the job version was recalled since the run began.';

CREATE FUNCTION scorer.recall_scores(
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
COMMENT ON FUNCTION scorer.recall_scores(text, text, text, text, timestamptz, timestamptz, boolean, boolean) IS 'Marks scores as entered in error, takes them out of what is current, asks for others in their place; gives the key of the recall. A trial keeps no batch waiting, and cannot be committed.';
REVOKE ALL ON FUNCTION
    scorer.share_with_recalls(text, text, text, timestamptz),
    scorer.recall_scores(text, text, text, text, timestamptz, timestamptz, boolean, boolean)
FROM PUBLIC;

CREATE VIEW reporting.recall_events AS
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
FROM scorer.recall_events AS e;
COMMENT ON VIEW reporting.recall_events IS 'One row per recall: who recalled which scores, when, why, and how many.';

CREATE VIEW reporting.recalls AS
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
COMMENT ON VIEW reporting.recalls IS 'One row per recalled score; of one that was current, the outcome that took its place, and whether the band changed. stands_in_source: it, or a newer one, still has to be put right in the hospital''s own table.';

-- Who may do what.

GRANT SELECT ON scorer.replays, scorer.recall_events TO scorer_worker;
GRANT INSERT (score_id, part, verdict, difference, why, inputs_changed, alarming, scorer_version) ON scorer.replays TO scorer_worker;
GRANT EXECUTE ON FUNCTION scorer.share_with_recalls(text, text, text, timestamptz) TO scorer_worker;
GRANT EXECUTE ON FUNCTION scorer.recall_scores(text, text, text, text, timestamptz, timestamptz, boolean, boolean) TO scorer_approver;
GRANT SELECT ON reporting.replays, reporting.recall_events, reporting.recalls TO scorer_worker, scorer_approver, scorer_reader;
