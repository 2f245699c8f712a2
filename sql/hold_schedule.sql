-- Takes the advisory lock that says "this daemon runs the job's ticks"; one row, true if it was free. It belongs to the session, so that
-- a crash gives it back by itself.
-- Parameters: job.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('scorer.schedule ' || :job, 0)) AS held
