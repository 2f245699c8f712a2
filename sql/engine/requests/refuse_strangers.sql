-- Refuses requests of jobs that nobody answers for: other than those named, and waiting for longer than another daemon, which may know
-- the job, would need; one row per request. Passes over what others hold.
-- Parameters: jobs (array), patience (interval).
UPDATE scorer.requests AS q
SET
    status = 'refused',
    finished_at = clock_timestamp(),
    reason = 'no daemon answers for job ' || quote_literal(q.job) || '; start one whose jobs_dir has it'
FROM (
    SELECT w.request_id
    FROM scorer.requests AS w
    WHERE w.status = 'waiting'
      AND w.job <> ALL (CAST(:jobs AS text []))
      AND w.requested_at < now() - CAST(:patience AS interval)
    FOR UPDATE SKIP LOCKED
) AS strange
WHERE q.request_id = strange.request_id
RETURNING
    q.request_id,
    q.job
