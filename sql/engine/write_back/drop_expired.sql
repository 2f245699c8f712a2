-- Drops the scores that became stale while they waited for write-back; one row per entity.
-- There is none of those that the flag <job>.write_back kept from being written.
-- They are not written any more: the hospital's own table keeps what stood there before. One that stands where a recalled score may be
-- shown is kept, and written however late. The rows of current_scores are locked as in stage_write_back.sql.
-- Parameters: job, output, flag (the name of that flag), facility_attribute (the attribute that says what an entity belongs to).
WITH expired AS (
    SELECT
        w.entity_id,
        c.attributes ->> CAST(:facility_attribute AS text) AS facility
    FROM scorer.write_backs AS w
    JOIN scorer.current_scores AS c
        ON c.job = w.job
        AND c.entity_id = w.entity_id
        AND c.output = :output
    WHERE w.job = :job
      AND NOT w.recalled
      AND c.valid_until <= now()
    FOR NO KEY UPDATE OF c SKIP LOCKED
),

dropped AS (
    DELETE FROM scorer.write_backs AS w
    USING expired AS e
    WHERE w.job = :job
      AND w.entity_id = e.entity_id
    RETURNING
        w.entity_id,
        e.facility
)

SELECT d.entity_id
FROM dropped AS d
CROSS JOIN (SELECT scorer.flag_setting(:flag) AS setting OFFSET 0) AS f
WHERE scorer.flag_includes(f.setting, :flag, d.entity_id, d.facility)
