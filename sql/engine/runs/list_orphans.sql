-- The entities that do not exist and have observations, as far as that was found and is not mended; one row per entity.
-- Parameters: job.
SELECT r.entity_id
FROM scorer.rejections AS r
WHERE r.job = :job
  AND r.resolved_at IS NULL
  AND r.rule = 'entity_exists'
