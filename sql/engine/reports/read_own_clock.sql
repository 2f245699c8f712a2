-- The database's clock; one row.
SELECT now() AS at
