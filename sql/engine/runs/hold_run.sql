-- Takes the advisory lock of the process that carries a run; one row, true if it was free.
-- The lock belongs to the session, so that a crash releases it.
-- Parameters: run_id.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('scorer.run', :run_id)) AS held
