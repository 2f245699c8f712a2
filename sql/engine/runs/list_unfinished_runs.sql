-- The runs of a job that are not marked as ended, oldest first; one row per run.
-- Whether a process still carries one shows in its advisory lock.
-- Parameters: job.
SELECT
    run_id,
    as_of,
    as_known_at,
    trigger,
    started_at
FROM scorer.runs
WHERE job = :job
  AND status = 'running'
ORDER BY run_id
