-- Batches older than keep of runs that have ended; one row per batch.
-- A batch goes once no result of a rule names it.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.batches AS t
WHERE t.finished_at < now() - CAST(:keep AS interval)
  AND EXISTS (
      SELECT
      FROM scorer.runs AS r
      WHERE r.run_id = t.run_id
        AND r.status <> 'running'
  )
  AND NOT EXISTS (
      SELECT
      FROM scorer.validation_results AS v
      WHERE v.batch_id = t.batch_id
  )
