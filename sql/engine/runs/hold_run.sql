-- Takes the advisory lock that says "this run has a living process"; one row, true if it was free. It belongs to the session, so
-- that a crash gives it back by itself.
-- Parameters: run_id.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('scorer.run', :run_id)) AS held
