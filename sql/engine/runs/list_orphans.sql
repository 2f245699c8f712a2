-- Entities that do not exist but have observations, found and not yet mended; one row per entity.
-- Parameters: job.
SELECT r.entity_id
FROM scorer.rejections AS r
WHERE r.job = :job
  AND r.resolved_at IS NULL
  AND r.rule = 'entity_exists'
