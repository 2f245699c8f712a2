-- Whether work of a run waits, that which other workers hold included; one row.
-- Parameters: run_id.
SELECT EXISTS (SELECT FROM scorer.work WHERE run_id = :run_id) AS waiting
