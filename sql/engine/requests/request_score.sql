-- Requests scores of entities, as known when answered; one row per entity, in order: its key.
-- Each is a request of its own.
-- Parameters: job, entity_ids (array), timeout (interval; null: the default).
SELECT r.request_id
FROM scorer.request_scores(:job, CAST(:entity_ids AS text []), CAST(:timeout AS interval)) AS r (request_id)
ORDER BY r.request_id
