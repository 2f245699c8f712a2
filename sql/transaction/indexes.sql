-- Lets a run find the applications that are not settled without reading the others. For the table's owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
-- Nothing is locked against reading or writing meanwhile. Without it all is found as well, only slower.
CREATE INDEX CONCURRENTLY IF NOT EXISTS applications_submitted_at_idx ON transaction.applications (submitted_at);
