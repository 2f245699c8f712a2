-- Takes the advisory lock of whoever keeps the database in shape; one row, true if it was free. It belongs to the session, so that a crash
-- gives it back by itself.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('scorer upkeep', 0)) AS held
