-- Lists the databases of a prefix that no session is connected to; one row per database.
-- What a killed process has left of its own is among them, once the server has noticed that it is gone.
-- Parameters: prefix.
SELECT d.datname AS name
FROM pg_catalog.pg_database AS d
WHERE starts_with(d.datname, :prefix)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_activity AS a WHERE a.datid = d.oid)
ORDER BY d.datname
