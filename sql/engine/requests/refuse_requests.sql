-- Refuses those of the requests that still wait, with a reason; one row per request refused.
-- Parameters: request_ids (array), reason.
UPDATE scorer.requests
SET
    status = 'refused',
    finished_at = clock_timestamp(),
    reason = :reason
WHERE request_id = ANY (CAST(:request_ids AS bigint []))
  AND status = 'waiting'
RETURNING request_id
