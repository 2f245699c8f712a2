-- Counts one more process that goes on with a run whose own has died.
-- Parameters: run_id.
UPDATE scorer.runs
SET resumed = resumed + 1
WHERE run_id = :run_id
