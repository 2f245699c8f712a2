-- Releases the chore's advisory lock; one row, true if this session held it.
-- Parameters: job, chore.
SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended('scorer.chore ' || :job || ' ' || :chore, 0)) AS released
