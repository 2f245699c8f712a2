-- How many entities a model's published scores since a moment are of; one row.
-- Parameters: job, output, model_version, since.
SELECT count(DISTINCT s.entity_id) AS entities
FROM scorer.scores AS s
WHERE s.job = :job
  AND s.output = :output
  AND s.model_version = :model_version
  AND s.scored_at >= :since
  AND s.status = 'SCORED'
  AND NOT s.shadow
