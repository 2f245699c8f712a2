-- Stages up to max_waiting entities whose recalled score is to be taken back; one row per entity.
-- They have no score any more, while their row in the hospital's own table still bears the recalled one; or they have a newer one that
-- the flag <job>.write_back keeps from being written over it. They are taken out of scorer.write_backs, and record_take_backs.sql puts
-- back those that are passed over, and those whose newer score waits.
-- The rows of current_scores are locked as in stage_write_back.sql, skipping what another worker holds: it may be scoring the entity. The
-- order is random, so that rows which are held for long do not keep back the others.
-- Parameters: job, output, max_waiting, flag (the name of that flag), facility_attribute (the attribute that says what an entity belongs
-- to).
WITH waiting AS (
    SELECT
        w.entity_id,
        w.since
    FROM scorer.write_backs AS w
    CROSS JOIN (SELECT scorer.flag_setting(:flag) AS setting OFFSET 0) AS f
    JOIN scorer.current_scores AS c
        ON c.job = w.job
        AND c.entity_id = w.entity_id
        AND c.output = :output
    WHERE w.job = :job
      AND (
          c.score IS NULL
          OR (
              w.recalled
              AND NOT scorer.flag_includes(f.setting, :flag, w.entity_id, c.attributes ->> CAST(:facility_attribute AS text))
          )
      )
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
