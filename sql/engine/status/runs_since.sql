-- Runs that are newer than a key, and those that were not ended or not yet to be seen when it was the newest; one row per run.
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
