-- A sample of the scores that a model has published since a moment; one row per score.
-- It is spread evenly over the ledger's keys, and is the same for the same rows. Recalled scores are left out.
-- Parameters: job, output, model_version, since, size.
SELECT
    s.entity_id,
    s.as_of,
    s.score,
    s.outputs,
    s.attributes
FROM (
    SELECT
        scorer.first_score_since(:since) AS low,
        (SELECT max(l.score_id) FROM scorer.scores AS l) AS high
) AS span
CROSS JOIN LATERAL generate_series(span.low, span.high, GREATEST((span.high - span.low + 1) / :size, 1)) AS k (score_id)
JOIN scorer.scores AS s ON s.score_id = k.score_id
WHERE s.job = :job
  AND s.output = :output
  AND s.model_version = :model_version
  AND s.status = 'SCORED'
  AND NOT s.shadow
  AND NOT EXISTS (
      SELECT
      FROM scorer.recalls AS r
      WHERE r.score_id = s.score_id
  )
ORDER BY s.score_id
