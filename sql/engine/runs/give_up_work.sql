-- Gives up the rest of a run's work, waiting for what other workers still hold: it is due, so that the next run finds it again.
-- Parameters: run_id.
DELETE FROM scorer.work
WHERE run_id = :run_id
