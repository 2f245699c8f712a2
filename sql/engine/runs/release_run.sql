-- Releases the run's advisory lock; one row, true if this session held it.
-- Parameters: run_id.
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('scorer.run', :run_id)) AS released
