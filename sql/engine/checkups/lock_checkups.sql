-- Waits until no other process keeps a checkup of the job; held until the transaction ends. No row.
-- Parameters: job.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('scorer.checkup ' || :job, 0))
