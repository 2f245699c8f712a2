-- Takes current scores back, because whom or what they were made of is gone; one row per score.
-- They are recalled, by the run and not by a person, and are to be taken out of the hospital's own table if writes_back. An entity that is
-- SCORED becomes RECALLED; any other keeps its newer status.
-- The rows of current_scores are locked first, as by all who touch scorer.write_backs. (See stage_write_back.sql.)
-- Parameters: job, output, writes_back, entity_ids, reasons (arrays, one element per entity).
WITH standing AS MATERIALIZED (
    SELECT
        c.entity_id,
        c.score_id,
        w.reason
    FROM unnest(CAST(:entity_ids AS text []), CAST(:reasons AS text [])) AS w (entity_id, reason)
    JOIN scorer.current_scores AS c
        ON c.job = :job
        AND c.entity_id = w.entity_id
        AND c.output = :output
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
        :job,
        s.entity_id,
        true
    FROM standing AS s
    WHERE CAST(:writes_back AS boolean)
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
WHERE c.job = :job
  AND c.entity_id = s.entity_id
  AND c.output = :output
RETURNING c.entity_id
