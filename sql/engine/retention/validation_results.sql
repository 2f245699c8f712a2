-- What rules found longer ago than keep, in runs that have ended; one row per batch and rule.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.validation_results AS t
WHERE t.judged_at < now() - CAST(:keep AS interval)
  AND EXISTS (
      SELECT
      FROM scorer.runs AS r
      WHERE r.run_id = t.run_id
        AND r.status <> 'running'
  )
