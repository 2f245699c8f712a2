-- Deletes the rest of a run's work, waiting for rows that other workers still hold; no row.
-- Its entities stay due, so that the next run finds them again.
-- Parameters: run_id.
DELETE FROM scorer.work
WHERE run_id = :run_id
