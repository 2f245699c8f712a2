-- What became of requests, in the order in which they were made; one row per request.
-- Those of a cohort have no entity, and the counts of how far they have come.
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
    latency_ms,
    entities,
    answered,
    scored,
    failed,
    absent,
    EXTRACT(EPOCH FROM expires_at - clock_timestamp())::double precision AS seconds_left
FROM reporting.requests
WHERE request_id = ANY (CAST(:request_ids AS bigint []))
ORDER BY request_id
