-- What two models said of an entity as of one time, by the ledger; one row per entity and time.
-- Each may have scored in production or in the shadow of it. Recalled scores are left out. What the first said is looked for only in the
-- ledger's partitions that runs could write to since then, and in rows from before there were partitions.
-- Parameters: job, output, one, other, since, max_pairs.
SELECT DISTINCT ON (a.entity_id, a.as_of)
    a.entity_id,
    a.as_of,
    a.status AS one_status,
    a.score AS one_score,
    COALESCE(a.risk_band, a.label) AS one_band,
    b.status AS other_status,
    b.score AS other_score,
    COALESCE(b.risk_band, b.label) AS other_band
FROM scorer.scores AS a
JOIN scorer.scores AS b
    ON b.job = a.job
    AND b.output = a.output
    AND b.entity_id = a.entity_id
    AND b.as_of = a.as_of
    AND b.model_version = :other
WHERE a.job = :job
  AND a.output = :output
  AND a.model_version = :one
  AND a.scored_at >= :since
  AND (
      a.run_began_at = '-infinity'
      OR a.run_began_at >= (
          SELECT min(r.started_at)
          FROM scorer.runs AS r
          WHERE r.job = :job
            AND COALESCE(r.finished_at, 'infinity') >= :since
      )
  )
  AND NOT EXISTS (
      SELECT
      FROM scorer.recalls AS r
      WHERE r.score_id IN (a.score_id, b.score_id)
  )
ORDER BY
    a.entity_id,
    a.as_of DESC,
    a.score_id DESC,
    b.score_id DESC
LIMIT :max_pairs
