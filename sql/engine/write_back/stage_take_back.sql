-- Lays out up to max_waiting of the entities that have no score any more, since it was recalled, while their row in the hospital's own table
-- still bears it; one row per entity. They are taken out of scorer.write_backs, for record_take_backs to put back what is passed over.
-- The rows of current_scores are locked as in stage_write_back, passing over what another worker holds: it may be scoring the entity.
-- By lot, so that rows which are held for long do not keep back the others.
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
