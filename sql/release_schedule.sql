-- Gives back the job's schedule; one row.
-- Parameters: job.
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('scorer.schedule ' || :job, 0)) AS released
