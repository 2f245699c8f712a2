-- What became of the requests of a time, and how soon; one row per job, and per step of time.
-- That of the whole job has no step. How soon is told of requests of one entity.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run), step (hour or day).
SELECT
    q.job,
    q.at,
    count(*) FILTER (WHERE q.status = 'done') AS done,
    count(*) FILTER (WHERE q.status = 'refused') AS refused,
    count(*) FILTER (WHERE q.status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE q.status = 'expired') AS expired,
    count(*) FILTER (WHERE q.status = 'waiting') AS waiting,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS half_ms,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS most_ms,
    max(q.latency_ms) FILTER (WHERE q.status = 'done' AND q.entities IS NULL) AS longest_ms
FROM (
    SELECT
        r.job,
        r.status,
        r.entities,
        r.latency_ms,
        date_trunc(CAST(%(step)s AS text), r.requested_at) AS at
    FROM reporting.requests AS r
    WHERE r.requested_at >= %(since)s
      AND r.requested_at < %(until)s
      AND (CAST(%(jobs)s AS text []) IS NULL OR r.job = ANY(CAST(%(jobs)s AS text [])))
      AND (CAST(%(run_id)s AS bigint) IS NULL OR r.run_id = %(run_id)s)
) AS q
GROUP BY GROUPING SETS ((q.job), (q.job, q.at))
ORDER BY q.job, q.at NULLS FIRST
