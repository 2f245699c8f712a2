-- Drops the scores that became stale while they waited for write-back; one row per entity.
-- They are not written any more: the hospital's own table keeps what stood there before. One that stands where a recalled score may be
-- shown is kept, and written however late. The rows of current_scores are locked as in stage_write_back.sql.
-- Parameters: job, output.
WITH expired AS (
    SELECT w.entity_id
    FROM scorer.write_backs AS w
    JOIN scorer.current_scores AS c
        ON c.job = w.job
        AND c.entity_id = w.entity_id
        AND c.output = :output
    WHERE w.job = :job
      AND NOT w.recalled
      AND c.valid_until <= now()
    FOR NO KEY UPDATE OF c SKIP LOCKED
)

DELETE FROM scorer.write_backs AS w
USING expired AS e
WHERE w.job = :job
  AND w.entity_id = e.entity_id
RETURNING w.entity_id
