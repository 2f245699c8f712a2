-- Gives the run's advisory lock back.
-- Parameters: run_id.
SELECT pg_advisory_unlock(hashtextextended('scorer.run', :run_id)) AS released
