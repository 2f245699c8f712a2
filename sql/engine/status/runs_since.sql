-- Runs newer than a key, and those of the open keys; one row per run.
-- The open keys are of runs that were not ended, or could not be seen yet, when the newest was read.
-- Parameters: newest, open_ids (array of keys).
SELECT
    run_id,
    job,
    trigger,
    status
FROM scorer.runs
WHERE run_id > %(newest)s
   OR run_id = ANY (CAST(%(open_ids)s AS bigint []))
ORDER BY run_id
