-- Those of the named jobs that have waiting requests; one row per job.
-- The job with the most urgent and oldest request comes first.
-- Parameters: jobs (array).
SELECT
    q.job,
    max(q.priority) AS priority,
    min(q.request_id) AS oldest
FROM scorer.requests AS q
WHERE q.status = 'waiting'
  AND q.job = ANY (CAST(:jobs AS text []))
GROUP BY q.job
ORDER BY
    priority DESC,
    oldest
