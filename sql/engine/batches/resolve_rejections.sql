-- Closes the judged entities' open findings that were not found again: they are mended; no row.
-- Those of the rule entity_exists are closed by resolve_orphans.sql.
-- Parameters: job, judged (array of entity_id).
UPDATE scorer.rejections AS r
SET resolved_at = now()
WHERE r.job = :job
  AND r.entity_id = ANY (CAST(:judged AS text []))
  AND r.resolved_at IS NULL
  AND r.rule <> 'entity_exists'
  AND NOT EXISTS (
      SELECT
      FROM pg_temp.staged_rejections AS s
      WHERE s.entity_id = r.entity_id
        AND s.rule = r.rule
        AND s.observation_id = r.observation_id
  )
