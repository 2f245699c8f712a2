-- Closes the job's open findings of entities that do not exist, unless staged again; no row.
-- Staged are the orphans found just now; all others are mended.
-- Parameters: job.
UPDATE scorer.rejections AS r
SET resolved_at = now()
WHERE r.job = :job
  AND r.resolved_at IS NULL
  AND r.rule = 'entity_exists'
  AND NOT EXISTS (
      SELECT
      FROM pg_temp.staged_rejections AS s
      WHERE s.entity_id = r.entity_id
        AND s.rule = r.rule
        AND s.observation_id = r.observation_id
  )
