-- Requests that runs answered, and the seconds from asked to answered; one row per request.
-- Parameters: run_ids (array of keys).
SELECT
    job,
    EXTRACT(EPOCH FROM finished_at - requested_at)::double precision AS seconds
FROM scorer.requests
WHERE run_id = ANY (CAST(%(run_ids)s AS bigint []))
  AND status = 'done'
