-- Allows bitmap scans again, which prefer_index_scans.sql has turned off.
SET LOCAL enable_bitmapscan TO DEFAULT
