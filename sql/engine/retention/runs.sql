-- Runs older than keep that have ended and nothing else names; one row per run.
-- Their rows have left the ledger, or there were none.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.runs AS t
WHERE t.started_at < now() - CAST(:keep AS interval)
  AND t.status <> 'running'
  AND (
      GREATEST(t.eligible, t.scored, t.unchanged, t.quarantined, t.insufficient, t.indeterminate, t.failed) = 0
      OR t.started_at < (
          SELECT min(p.begins_at)
          FROM scorer.ledger_partitions AS p
      )
  )
  AND NOT EXISTS (
      SELECT
      FROM scorer.batches AS b
      WHERE b.run_id = t.run_id
  )
  AND NOT EXISTS (
      SELECT
      FROM scorer.validation_results AS v
      WHERE v.run_id = t.run_id
  )
  AND NOT EXISTS (
      SELECT
      FROM scorer.ticks AS k
      WHERE k.run_id = t.run_id
  )
  AND NOT EXISTS (
      SELECT
      FROM scorer.requests AS q
      WHERE q.run_id = t.run_id
  )
