-- How many entities of a run still wait, those that other workers hold included; one row.
-- Parameters: run_id.
SELECT count(*) AS waiting
FROM scorer.work
WHERE run_id = :run_id
