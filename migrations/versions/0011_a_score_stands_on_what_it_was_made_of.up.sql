-- A score is shown beside whom and what it was made of, and no longer: a run that sees these gone takes it back, as a recall does.

-- Who is looked for. It changes with an entity's first score and once its record has settled, so that renewing a score touches no index.
ALTER TABLE scorer.current_scores ADD COLUMN looked_for boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN scorer.current_scores.looked_for IS 'Whether a run that does not find the entity due asks whether it is still there: it got a score that was valid then, and has not settled since.';
COMMENT ON COLUMN scorer.current_scores.attributes IS 'Attributes that the job publishes: those with which the score was made, or, where there is none, as last judged.';
UPDATE scorer.current_scores
SET looked_for = true
WHERE valid_until > now();
CREATE INDEX current_scores_looked_for ON scorer.current_scores (job, output, entity_id) WHERE looked_for;

COMMENT ON TABLE scorer.recalls IS 'Scores entered in error, or whose entity or inputs are gone: one row each, beside the ledger, which keeps them.';
COMMENT ON COLUMN scorer.recalls.recall_id IS 'The recall that it was a part of; null where a run took it back.';
COMMENT ON COLUMN scorer.recalls.why IS 'The reason given; of a run: gone, attributes_changed, withdrawn or inputs_changed.';
COMMENT ON VIEW reporting.recalls IS 'One row per recalled score (recall_id is null: a run took it back, why says for what); of one that was current, the outcome that took its place, and whether the band changed. stands_in_source: it, or a newer one, still has to be put right in the hospital''s own table.';
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
FROM scorer.scores AS s
LEFT JOIN scorer.current_scores AS c USING (job, entity_id, output)
LEFT JOIN scorer.recalls AS r ON r.score_id = s.score_id;
COMMENT ON VIEW reporting.score_history IS 'One row per ledger entry. superseded: a newer score has taken its place; recalled: entered in error, or its entity or inputs are gone; recalled_why: the reason.';

-- A worker takes scores back by this function alone: current ones, and for a reason that a run can have.
CREATE FUNCTION scorer.withdraw_scores(for_job text, for_output text, writes_back boolean, entity_ids text [], reasons text [])
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
COMMENT ON FUNCTION scorer.withdraw_scores(text, text, boolean, text [], text []) IS 'Takes current scores back, because whom or what they were made of is gone; gives the entities. The caller keeps recalls out.';
REVOKE ALL ON FUNCTION scorer.withdraw_scores(text, text, boolean, text [], text []) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION scorer.withdraw_scores(text, text, boolean, text [], text []) TO scorer_worker;

-- From before: scores that stand beside none of their attributes, or beside others.
UPDATE scorer.current_scores AS c
SET attributes = s.attributes
FROM scorer.scores AS s
WHERE s.score_id = c.score_id
  AND c.status = 'FAILED';
WITH standing AS MATERIALIZED (
    SELECT
        c.job,
        c.entity_id,
        c.output,
        c.score_id,
        s.run_began_at
    FROM scorer.current_scores AS c
    JOIN scorer.scores AS s ON s.score_id = c.score_id
    WHERE c.status <> 'SCORED'
      AND c.attributes <> s.attributes
    FOR NO KEY UPDATE OF c
),

recalled AS (
    INSERT INTO scorer.recalls (score_id, run_began_at, why, was_current)
    SELECT
        s.score_id,
        s.run_began_at,
        'attributes_changed',
        true
    FROM standing AS s
),

waiting AS (
    INSERT INTO scorer.write_backs (job, entity_id, recalled)
    SELECT DISTINCT
        s.job,
        s.entity_id,
        true
    FROM standing AS s
    WHERE EXISTS (
        SELECT
        FROM scorer.job_versions AS v
        WHERE v.job = s.job
          AND v.definition #> '{statements,write_back}' IS NOT NULL
    )
    ON CONFLICT (job, entity_id) DO UPDATE
    SET recalled = true
)

UPDATE scorer.current_scores AS c
SET
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
WHERE c.job = s.job
  AND c.entity_id = s.entity_id
  AND c.output = s.output;
