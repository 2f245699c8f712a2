-- Waits until no other load runs in this database; one row, empty.
-- Two of the same folder at once would each find nothing already there. The lock ends with the transaction.
SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtext('scorer load'))
