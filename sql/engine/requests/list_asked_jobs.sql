-- The jobs, of those named, of which requests wait; one row per job, the one with the most urgent and oldest request first.
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
