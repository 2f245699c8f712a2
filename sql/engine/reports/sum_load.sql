-- What batches of a time read and how long they took; one row per job and step of time.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run), step (hour or day).
SELECT
    b.job,
    date_trunc(CAST(%(step)s AS text), b.started_at) AS at,
    count(*) AS batches,
    CAST(sum(b.observations_read) AS bigint) AS observations_read,
    CAST(sum(b.observations_dropped) AS bigint) AS observations_dropped,
    CAST(COALESCE(sum(EXTRACT(EPOCH FROM b.finished_at - b.started_at)), 0) AS double precision) AS seconds,
    CAST(COALESCE(max(EXTRACT(EPOCH FROM b.finished_at - b.started_at)), 0) AS double precision) AS longest_seconds
FROM reporting.batches AS b
WHERE b.started_at >= %(since)s
  AND b.started_at < %(until)s
  AND (CAST(%(jobs)s AS text []) IS NULL OR b.job = ANY(CAST(%(jobs)s AS text [])))
  AND (CAST(%(run_id)s AS bigint) IS NULL OR b.run_id = %(run_id)s)
GROUP BY b.job, date_trunc(CAST(%(step)s AS text), b.started_at)
ORDER BY b.job, date_trunc(CAST(%(step)s AS text), b.started_at)
