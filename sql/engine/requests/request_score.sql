-- Requests scores of entities, as known when answered; one row per entity, in order: its key.
-- Parameters: job, entity_ids (array).
SELECT r.request_id
FROM scorer.request_score(:job, VARIADIC CAST(:entity_ids AS text [])) AS r (request_id)
ORDER BY r.request_id
