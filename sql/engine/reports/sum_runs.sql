-- How many runs a time saw and what they came to; one row per job, trigger and step of time.
-- Steps are hours or days, by the first moment of each.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run), step (hour or day).
SELECT
    r.job,
    r.trigger,
    date_trunc(CAST(%(step)s AS text), r.started_at) AS at,
    count(*) AS runs,
    count(*) FILTER (WHERE r.status = 'succeeded') AS succeeded,
    count(*) FILTER (WHERE r.status = 'failed') AS failed_runs,
    count(*) FILTER (WHERE r.finished_at IS NULL) AS going_on,
    CAST(sum(r.eligible) AS bigint) AS eligible,
    CAST(sum(r.scored) AS bigint) AS scored,
    CAST(sum(r.unchanged) AS bigint) AS unchanged,
    CAST(sum(r.quarantined) AS bigint) AS quarantined,
    CAST(sum(r.insufficient) AS bigint) AS insufficient,
    CAST(sum(r.indeterminate) AS bigint) AS indeterminate,
    CAST(sum(r.failed) AS bigint) AS failed,
    count(*) FILTER (
        WHERE r.status = 'succeeded'
          AND r.eligible <> r.scored + r.unchanged + r.quarantined + r.insufficient + r.indeterminate + r.failed
    ) AS unbalanced,
    CAST(COALESCE(max(EXTRACT(EPOCH FROM r.finished_at - r.started_at)), 0) AS double precision) AS longest_seconds,
    CAST(COALESCE(sum(EXTRACT(EPOCH FROM r.finished_at - r.started_at)), 0) AS double precision) AS seconds
FROM reporting.runs AS r
WHERE r.started_at >= %(since)s
  AND r.started_at < %(until)s
  AND (CAST(%(jobs)s AS text []) IS NULL OR r.job = ANY(CAST(%(jobs)s AS text [])))
  AND (CAST(%(run_id)s AS bigint) IS NULL OR r.run_id = %(run_id)s)
GROUP BY r.job, r.trigger, date_trunc(CAST(%(step)s AS text), r.started_at)
ORDER BY r.job, r.trigger, date_trunc(CAST(%(step)s AS text), r.started_at)
