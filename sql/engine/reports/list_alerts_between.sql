-- The alerts that were open at some moment of a time; one row per alert.
-- Parameters: jobs (NULL: all), since, until.
SELECT
    a.job,
    a.kind,
    a.model_version,
    a.detail,
    a.since,
    a.ended_at
FROM reporting.alerts AS a
WHERE a.since < %(until)s
  AND (a.ended_at IS NULL OR a.ended_at >= %(since)s)
  AND (CAST(%(jobs)s AS text []) IS NULL OR a.job = ANY(CAST(%(jobs)s AS text [])))
ORDER BY a.job, a.since, a.kind, a.model_version
