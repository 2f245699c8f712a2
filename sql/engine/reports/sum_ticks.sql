-- How the ticks of a time went, and why; one row per job, outcome and reason.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run).
SELECT
    t.job,
    t.outcome,
    t.reason,
    count(*) AS ticks,
    min(t.scheduled_for) AS first_at,
    max(t.scheduled_for) AS last_at
FROM reporting.ticks AS t
WHERE t.scheduled_for >= %(since)s
  AND t.scheduled_for < %(until)s
  AND (CAST(%(jobs)s AS text []) IS NULL OR t.job = ANY(CAST(%(jobs)s AS text [])))
  AND (CAST(%(run_id)s AS bigint) IS NULL OR t.run_id = %(run_id)s)
GROUP BY t.job, t.outcome, t.reason
ORDER BY t.job, t.outcome, count(*) DESC, t.reason
