-- Refuses requests of jobs, other than those named, that no daemon answers; one row per request.
-- They have waited for longer than patience: another daemon, which may know the job, would have answered by then. Rows that another session
-- holds are skipped.
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
