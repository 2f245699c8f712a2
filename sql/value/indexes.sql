-- Lets a run find the parcels of an area, and a sweep the sales of parcels that do not exist. For the tables' owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
-- Nothing is locked against reading or writing meanwhile. Without them all is found as well, only slower.
CREATE INDEX CONCURRENTLY IF NOT EXISTS parcels_of_an_area_idx ON value.parcels (area);
CREATE INDEX CONCURRENTLY IF NOT EXISTS sales_recorded_at_idx ON value.sales (recorded_at);
