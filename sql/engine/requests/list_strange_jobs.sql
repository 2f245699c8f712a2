-- The jobs, other than those named, of which requests have waited for longer than a daemon that knows them would need; one row per job.
-- Parameters: jobs (array), patience (interval).
SELECT
    q.job,
    count(*) AS requests
FROM scorer.requests AS q
WHERE q.status = 'waiting'
  AND q.job <> ALL (CAST(:jobs AS text []))
  AND q.requested_at < now() - CAST(:patience AS interval)
GROUP BY q.job
ORDER BY q.job
