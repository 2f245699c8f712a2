-- The database's clock, by which it is decided what is due; one row.
SELECT clock_timestamp() AS now
