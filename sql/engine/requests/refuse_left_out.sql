-- Refuses requests of jobs that this daemon knows and does not run; one row per request.
-- Each gets its job's reason. They have waited beyond patience, and no daemon that is alive runs the job, or is of a release that does
-- not say. Rows that another session holds are skipped.
-- Parameters: jobs, reasons (arrays, one element per job), patience (interval).
UPDATE scorer.requests AS q
SET
    status = 'refused',
    finished_at = clock_timestamp(),
    reason = waiting.reason
FROM (
    SELECT
        w.request_id,
        l.reason
    FROM unnest(CAST(:jobs AS text []), CAST(:reasons AS text [])) AS l (job, reason)
    JOIN scorer.requests AS w ON w.job = l.job
    WHERE w.status = 'waiting'
      AND w.requested_at < now() - CAST(:patience AS interval)
      AND NOT EXISTS (
          SELECT
          FROM scorer.daemons AS d
          WHERE abs(EXTRACT(EPOCH FROM now() - d.beat_at)) < 60
            AND (d.jobs IS NULL OR l.job = ANY (d.jobs))
      )
    FOR UPDATE OF w SKIP LOCKED
) AS waiting
WHERE q.request_id = waiting.request_id
RETURNING
    q.request_id,
    q.job
