-- Takes the advisory lock for beginning a job's scheduled runs; one row, true if it was free.
-- The lock ends with the transaction.
-- Parameters: job.
SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('scorer.schedule ' || :job, 0)) AS held
