-- What became of requests, in the order in which they were made; one row per request.
-- Parameters: request_ids (array).
SELECT
    request_id,
    job,
    entity_id,
    status,
    outcome,
    reason,
    score_id,
    run_id,
    latency_ms
FROM reporting.requests
WHERE request_id = ANY (CAST(:request_ids AS bigint []))
ORDER BY request_id
