-- Counts one more process that goes on with a run whose own process has died; no row.
-- Parameters: run_id.
UPDATE scorer.runs
SET resumed = resumed + 1
WHERE run_id = :run_id
