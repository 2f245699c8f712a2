-- Takes the advisory lock of the process that does a job's chore; one row, true if it was free.
-- The lock belongs to the session, so that a crash releases it.
-- Parameters: job, chore.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('scorer.chore ' || :job || ' ' || :chore, 0)) AS held
