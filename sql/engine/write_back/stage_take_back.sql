-- Stages up to max_waiting entities whose recalled score is to be taken back; one row per entity.
-- They have no score any more, while their row in the hospital's own table still bears the recalled one. They are taken out of
-- scorer.write_backs, and record_take_backs.sql puts back those that are passed over.
-- The rows of current_scores are locked as in stage_write_back.sql, skipping what another worker holds: it may be scoring the entity. The
-- order is random, so that rows which are held for long do not keep back the others.
-- Parameters: job, output, max_waiting.
WITH waiting AS (
    SELECT
        w.entity_id,
        w.since
    FROM scorer.write_backs AS w
    JOIN scorer.current_scores AS c
        ON c.job = w.job
        AND c.entity_id = w.entity_id
        AND c.output = :output
    WHERE w.job = :job
      AND c.score IS NULL
    ORDER BY random()
    LIMIT :max_waiting
    FOR NO KEY UPDATE OF c SKIP LOCKED
),

taken_out AS (
    DELETE FROM scorer.write_backs
    WHERE job = :job
      AND entity_id IN (SELECT w.entity_id FROM waiting AS w)
)

INSERT INTO pg_temp.staged_take_back (entity_id, since)
SELECT
    w.entity_id,
    w.since
FROM waiting AS w
RETURNING entity_id
