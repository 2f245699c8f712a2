-- The database's clock, which decides what is due; one row.
SELECT clock_timestamp() AS now
