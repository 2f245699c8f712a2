-- The alerts that are open; one row per alert.
SELECT
    a.job,
    a.kind,
    a.model_version,
    a.detail,
    a.since
FROM reporting.alerts AS a
WHERE a.ended_at IS NULL
ORDER BY a.job, a.since, a.kind
