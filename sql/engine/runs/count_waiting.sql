-- Counts the entities of a run that still wait, including those that other workers hold; one row.
-- Parameters: run_id.
SELECT count(*) AS waiting
FROM scorer.work
WHERE run_id = :run_id
