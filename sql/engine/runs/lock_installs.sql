-- Waits until no other process installs jobs in this database; one row, empty.
-- Two at once would each find no model, and each put its own into production. The lock ends with the transaction.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('scorer install', 0))
