-- Counts the entities of a run that have ended; one row.
-- They are summed over the run's batches, of which there are few.
-- Parameters: run_id.
SELECT COALESCE(sum(eligible), 0)::bigint AS carried
FROM scorer.batches
WHERE run_id = :run_id
