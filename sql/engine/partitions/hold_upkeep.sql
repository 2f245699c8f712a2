-- Takes the advisory lock of the process that maintains the database; one row, true if it was free.
-- The lock belongs to the session, so that a crash releases it.
SELECT pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended('scorer upkeep', 0)) AS held
