-- Lets a run find the reports that are not settled without reading all. For the tables' owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
CREATE INDEX CONCURRENTLY IF NOT EXISTS reports_interviewed_at_idx ON symptoms.reports (interviewed_at);
