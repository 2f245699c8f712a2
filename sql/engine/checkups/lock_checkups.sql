-- Waits until no other process records a checkup of the job; one row, empty.
-- The lock ends with the transaction.
-- Parameters: job.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('scorer.checkup ' || :job, 0))
