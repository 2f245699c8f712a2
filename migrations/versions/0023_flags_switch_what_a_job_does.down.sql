DROP VIEW reporting.batches;
CREATE VIEW reporting.batches AS
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
    b.seconds
FROM scorer.batches AS b
JOIN scorer.runs AS r USING (run_id);
COMMENT ON VIEW reporting.batches IS 'One row per committed batch: its counts, how many observations it read and left out, and its seconds by step of the line.';
GRANT SELECT ON reporting.batches TO scorer_worker, scorer_approver, scorer_reader;
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

DROP FUNCTION reporting.is_enabled(text, text, text, boolean);
DROP VIEW reporting.flags;
CREATE OR REPLACE FUNCTION scorer.withdraw_scores(for_job text, for_output text, writes_back boolean, entity_ids text [], reasons text [])
RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT reasons <@ ARRAY['gone', 'attributes_changed', 'withdrawn', 'inputs_changed'] THEN
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

COMMENT ON COLUMN scorer.recalls.why IS 'The reason given; of a run: gone, attributes_changed, withdrawn or inputs_changed.';
COMMENT ON COLUMN scorer.batches.indeterminate IS 'Of them, declined by the model.';
COMMENT ON COLUMN scorer.batches.shadows IS 'Rows of the ledger that the challenger''s scores made beside; they are in no other count.';
ALTER TABLE scorer.batches DROP COLUMN flags;
DROP FUNCTION scorer.clear_flag(text, text);
DROP FUNCTION scorer.set_flag(text, boolean, numeric, text [], text);
DROP FUNCTION scorer.is_enabled(text, text, text, boolean);
DROP FUNCTION scorer.flag_fault(text);
DROP FUNCTION scorer.job_flags(text);
DROP FUNCTION scorer.flag_setting(text);
DROP FUNCTION scorer.flag_includes(jsonb, text, text, text);
DROP TABLE scorer.flags;
DROP FUNCTION scorer.flag_detail(boolean, double precision, text []);
DROP FUNCTION scorer.flag_bucket(text, text);
