-- Ends what prefer_index_scans.sql began.
SET LOCAL enable_bitmapscan TO DEFAULT
