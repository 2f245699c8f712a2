-- Lets a run find the parcels of an area. For the tables' owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
-- Nothing is locked against reading or writing meanwhile. Without it all is found as well, only slower.
CREATE INDEX CONCURRENTLY IF NOT EXISTS parcels_of_an_area_idx ON move.parcels (area);
