-- Stages the batch's scores and up to max_waiting earlier ones for write_back; one row per entity.
-- The earlier ones were passed over before. They are taken out of scorer.write_backs, and record_write_backs.sql puts back those that are
-- passed over again. A stale score is left to drop_expired.sql, unless a recalled one may stand in the row: that is written over however
-- late. (What waits to be taken back is staged by stage_take_back.sql.)
-- The rows of current_scores are locked, skipping what another worker holds: a worker that scores an entity, or writes back what waits of
-- it, has that lock. So a newer score is never overwritten with an older one, and no worker waits for a row of scorer.write_backs. The
-- order is random, so that rows which are held for long do not keep back the others.
-- Where the flag <job>.write_back is off for an entity, its score waits, and is not staged until it is on. What waits of an entity with a
-- score of the batch is taken out in any case: left there as recalled, it would empty the row of that score, were the flag put off later.
-- Parameters: job, output, max_waiting, setting (what that flag is set to, JSON; null: it is not set), flag (its name), facility_attribute
-- (the attribute that says what an entity belongs to).
WITH waiting AS (
    SELECT
        w.entity_id,
        w.since,
        w.recalled,
        c.score,
        c.risk_band,
        c.label,
        c.as_of,
        c.scored_at,
        c.valid_until
    FROM scorer.write_backs AS w
    JOIN scorer.current_scores AS c
        ON c.job = w.job
        AND c.entity_id = w.entity_id
        AND c.output = :output
    WHERE w.job = :job
      AND c.score IS NOT NULL
      AND (
          CAST(:setting AS jsonb) IS NULL
          OR scorer.flag_includes(CAST(:setting AS jsonb), :flag, w.entity_id, c.attributes ->> CAST(:facility_attribute AS text))
      )
      AND (
          c.valid_until > now()
          OR w.recalled
          OR EXISTS (
              SELECT
              FROM pg_temp.staged_outcomes AS o
              WHERE o.entity_id = w.entity_id
                AND o.status = 'SCORED'
                AND NOT o.shadow
          )
      )
    ORDER BY random()
    LIMIT :max_waiting
    FOR NO KEY UPDATE OF c SKIP LOCKED
),

fresh AS (
    SELECT
        o.entity_id,
        o.score,
        o.risk_band,
        o.label,
        o.as_of,
        o.valid_until,
        CAST(:setting AS jsonb) IS NULL
        OR scorer.flag_includes(CAST(:setting AS jsonb), :flag, o.entity_id, o.attributes ->> CAST(:facility_attribute AS text)) AS is_on
    FROM pg_temp.staged_outcomes AS o
    WHERE o.status = 'SCORED'
      AND NOT o.shadow
),

taken_out AS (
    DELETE FROM scorer.write_backs AS w
    WHERE w.job = :job
      AND (
          w.entity_id IN (SELECT a.entity_id FROM waiting AS a)
          OR w.entity_id IN (SELECT f.entity_id FROM fresh AS f WHERE f.is_on)
      )
    RETURNING
        w.entity_id,
        w.since,
        w.recalled
),

held AS (
    INSERT INTO scorer.write_backs (job, entity_id)
    SELECT
        :job,
        f.entity_id
    FROM fresh AS f
    WHERE NOT f.is_on
    ON CONFLICT (job, entity_id) DO NOTHING
)

INSERT INTO pg_temp.staged_write_back (entity_id, score, risk_band, label, as_of, scored_at, valid_until, since, recalled)
SELECT
    f.entity_id,
    f.score,
    f.risk_band,
    f.label,
    f.as_of,
    now(),
    f.valid_until,
    COALESCE(w.since, now()),
    COALESCE(w.recalled, false)
FROM fresh AS f
LEFT JOIN taken_out AS w ON w.entity_id = f.entity_id
WHERE f.is_on
UNION ALL
SELECT
    w.entity_id,
    w.score,
    w.risk_band,
    w.label,
    w.as_of,
    w.scored_at,
    w.valid_until,
    w.since,
    w.recalled
FROM waiting AS w
WHERE (w.valid_until > now() OR w.recalled)
  AND NOT EXISTS (SELECT FROM fresh AS f WHERE f.entity_id = w.entity_id)
