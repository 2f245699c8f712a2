-- Takes the advisory lock of whoever does a job's chore; one row, true if it was free. It belongs to the session, so that a crash gives
-- it back by itself.
-- Parameters: job, chore.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('scorer.chore ' || :job || ' ' || :chore, 0)) AS held
