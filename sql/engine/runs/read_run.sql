-- A run as its row stands; one row.
-- Parameters: run_id.
SELECT
    run_id,
    job,
    trigger,
    status,
    as_of,
    as_known_at,
    started_at,
    finished_at,
    eligible,
    scored,
    unchanged,
    quarantined,
    insufficient,
    indeterminate,
    failed,
    error
FROM scorer.runs
WHERE run_id = :run_id
