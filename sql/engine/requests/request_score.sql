-- Asks for scores of entities, as known when they are answered; one row per entity, in order: the key of its request.
-- Parameters: job, entity_ids (array).
SELECT r.request_id
FROM scorer.request_score(:job, VARIADIC CAST(:entity_ids AS text [])) AS r (request_id)
ORDER BY r.request_id
