-- Where each job stands by what the database holds, whatever its clock says; one row per job.
-- last_known_at is the newest moment that a run or a tick of any job told of, before which nothing more is to come.
-- Parameters: jobs (NULL: all), until.
SELECT
    h.job,
    h.model_version,
    h.backlog,
    h.backlog_since,
    h.requests_waiting,
    h.requests_since,
    h.write_backs_waiting,
    h.write_backs_since,
    h.take_backs_waiting,
    h.take_backs_since,
    h.failures,
    h.breaker_opened_at,
    h.breaker_reason,
    known.last_known_at
FROM reporting.health AS h
CROSS JOIN (
    SELECT GREATEST(
        (SELECT max(r.finished_at) FROM reporting.runs AS r WHERE r.started_at < %(until)s),
        (SELECT max(t.recorded_at) FROM reporting.ticks AS t WHERE t.recorded_at < %(until)s)
    ) AS last_known_at
) AS known
WHERE CAST(%(jobs)s AS text []) IS NULL
   OR h.job = ANY(CAST(%(jobs)s AS text []))
ORDER BY h.job
