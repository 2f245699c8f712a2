-- Ends what walk_indexes.sql began.
SET LOCAL enable_bitmapscan TO DEFAULT
