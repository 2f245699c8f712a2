-- The newest runs of each job, three at most, those of requests left out; one row per run.
SELECT
    r.job,
    r.run_id,
    r.trigger,
    r.status,
    r.started_at,
    r.finished_at,
    r.eligible,
    r.scored,
    r.error
FROM reporting.health AS h
CROSS JOIN LATERAL (
    SELECT
        n.job,
        n.run_id,
        n.trigger,
        n.status,
        n.started_at,
        n.finished_at,
        n.eligible,
        n.scored,
        n.error
    FROM reporting.runs AS n
    WHERE n.job = h.job
      AND n.trigger <> 'request'
    ORDER BY n.run_id DESC
    LIMIT 3
) AS r
ORDER BY r.job, r.run_id DESC
