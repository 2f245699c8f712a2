-- Requests scores of many entities in one request; one row: its key.
-- Parameters: job, entity_ids (array), timeout (interval; null: the default).
SELECT scorer.request_cohort(:job, CAST(:entity_ids AS text []), CAST(:timeout AS interval)) AS request_id
