-- Whether work of a run still waits, including what other workers hold; one row.
-- Parameters: run_id.
SELECT EXISTS (SELECT FROM scorer.work WHERE run_id = :run_id) AS waiting
