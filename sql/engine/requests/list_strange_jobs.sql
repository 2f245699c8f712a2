-- Jobs, other than those named, whose requests have waited beyond patience; one row per job.
-- A daemon that knows the job would have answered by then.
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
