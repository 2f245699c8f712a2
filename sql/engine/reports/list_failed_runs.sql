-- The newest runs of each job that failed in a time, ten at most, and why; one row per run.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run).
SELECT
    f.job,
    f.run_id,
    f.trigger,
    f.started_at,
    f.error
FROM (
    SELECT
        r.job,
        r.run_id,
        r.trigger,
        r.started_at,
        r.error,
        row_number() OVER (PARTITION BY r.job ORDER BY r.run_id DESC) AS place
    FROM reporting.runs AS r
    WHERE r.status = 'failed'
      AND r.started_at >= %(since)s
      AND r.started_at < %(until)s
      AND (CAST(%(jobs)s AS text []) IS NULL OR r.job = ANY(CAST(%(jobs)s AS text [])))
      AND (CAST(%(run_id)s AS bigint) IS NULL OR r.run_id = %(run_id)s)
) AS f
WHERE f.place <= 10
ORDER BY f.job, f.run_id DESC
