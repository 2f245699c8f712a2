-- Takes, for the transaction, the advisory lock of whoever begins a run by the job's schedule; one row, true if it was free.
-- Parameters: job.
SELECT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('scorer.schedule ' || :job, 0)) AS held
