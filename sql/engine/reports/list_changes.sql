-- Steps of model versions and recalls in a time; one row per change.
-- Of a recall, scores is how many it took back.
-- Parameters: jobs (NULL: all), since, until.
SELECT
    c.job,
    c.happened_at,
    c.kind,
    c.model_version,
    c.from_status,
    c.to_status,
    c.scores,
    c.done_by,
    c.why
FROM (
    SELECT
        e.job,
        e.happened_at,
        'version' AS kind,
        e.model_version,
        e.from_status,
        e.to_status,
        CAST(NULL AS bigint) AS scores,
        e.done_by,
        e.why
    FROM reporting.model_events AS e
    UNION ALL
    SELECT
        r.job,
        r.happened_at,
        'recall' AS kind,
        r.model_version,
        NULL AS from_status,
        NULL AS to_status,
        r.scores,
        r.done_by,
        r.why
    FROM reporting.recall_events AS r
) AS c
WHERE c.happened_at >= %(since)s
  AND c.happened_at < %(until)s
  AND (CAST(%(jobs)s AS text []) IS NULL OR c.job = ANY(CAST(%(jobs)s AS text [])))
ORDER BY c.job, c.happened_at, c.kind, c.model_version, c.to_status
