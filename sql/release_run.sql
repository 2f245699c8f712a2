-- Gives the run's advisory lock back; one row, true if this session held it.
-- Parameters: run_id.
SELECT pg_advisory_unlock(hashtextextended('scorer.run', :run_id)) AS released
