-- Where a job stands: its last run, backlog, quarantine and model; one row.
-- Parameters: job.
SELECT
    last.run_id,
    last.status,
    last.as_of,
    last.started_at,
    last.finished_at,
    last.eligible,
    last.scored,
    last.unchanged,
    last.quarantined,
    last.insufficient,
    last.indeterminate,
    last.failed,
    last.error,
    (SELECT count(*) FROM scorer.work WHERE job = :job) AS backlog,
    (
        SELECT count(*)
        FROM reporting.current_scores
        WHERE job = :job
          AND status = 'QUARANTINED'
    ) AS held,
    (
        SELECT model_version
        FROM reporting.models
        WHERE job = :job
          AND status = 'production'
    ) AS model_version
FROM (SELECT) AS one
LEFT JOIN LATERAL (
    SELECT *
    FROM reporting.runs
    WHERE job = :job
    ORDER BY run_id DESC
    LIMIT 1
) AS last ON true
