-- Live figures of the ninety days before a moment; one row per job, checkup and figure.
-- Parameters: jobs (NULL: all), until.
SELECT
    p.job,
    p.model_version,
    p.window_from,
    p.window_until,
    p.metric,
    p.value,
    p.low,
    p.high,
    p.expected,
    p.rows,
    p.positives
FROM reporting.live_performance AS p
WHERE p.window_until >= CAST(%(until)s AS timestamptz) - INTERVAL '90 days'
  AND p.window_until < %(until)s
  AND (CAST(%(jobs)s AS text []) IS NULL OR p.job = ANY(CAST(%(jobs)s AS text [])))
ORDER BY p.job, p.window_until, p.metric, p.model_version
