-- Gives the run's advisory lock back; one row, true if this session held it.
-- Parameters: run_id.
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('scorer.run', :run_id)) AS released
