-- How long the steps of the line took in a time, all batches together; one row per job and step.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run).
SELECT
    b.job,
    s.key AS step,
    sum(CAST(s.value AS double precision)) AS seconds
FROM reporting.batches AS b
CROSS JOIN LATERAL jsonb_each_text(b.seconds) AS s (key, value)
WHERE b.started_at >= %(since)s
  AND b.started_at < %(until)s
  AND (CAST(%(jobs)s AS text []) IS NULL OR b.job = ANY(CAST(%(jobs)s AS text [])))
  AND (CAST(%(run_id)s AS bigint) IS NULL OR b.run_id = %(run_id)s)
GROUP BY b.job, s.key
ORDER BY b.job, sum(CAST(s.value AS double precision)) DESC, s.key
