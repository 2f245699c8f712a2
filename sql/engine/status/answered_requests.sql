-- Requests that the given runs answered, and the seconds that each took; one row per request.
-- The seconds are those from asked to answered.
-- Parameters: run_ids (array of keys).
SELECT
    job,
    EXTRACT(EPOCH FROM finished_at - requested_at)::double precision AS seconds
FROM scorer.requests
WHERE run_id = ANY (CAST(%(run_ids)s AS bigint []))
  AND status = 'done'
