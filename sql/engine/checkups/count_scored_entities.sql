-- Counts the entities that a model has published scores of since a moment; one row.
-- Read are only the ledger's partitions that runs could write to since then, and rows from before there were partitions.
-- Parameters: job, output, model_version, since.
SELECT count(DISTINCT s.entity_id) AS entities
FROM scorer.scores AS s
WHERE s.job = :job
  AND s.output = :output
  AND s.model_version = :model_version
  AND s.scored_at >= :since
  AND (
      s.run_began_at = '-infinity'
      OR s.run_began_at >= (
          SELECT min(r.started_at)
          FROM scorer.runs AS r
          WHERE r.job = :job
            AND COALESCE(r.finished_at, 'infinity') >= :since
      )
  )
  AND s.status = 'SCORED'
  AND NOT s.shadow
