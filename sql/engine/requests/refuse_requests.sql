-- Refuses requests, with the reason; one row per request that still waited.
-- Parameters: request_ids (array), reason.
UPDATE scorer.requests
SET
    status = 'refused',
    finished_at = clock_timestamp(),
    reason = :reason
WHERE request_id = ANY (CAST(:request_ids AS bigint []))
  AND status = 'waiting'
RETURNING request_id
