-- The tables and views that this transaction has locked so far; one row per table and kind of lock.
-- Temporary tables and the catalog are left out.
SELECT
    n.nspname || '.' || c.relname AS relation,
    l.mode
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE l.pid = pg_backend_pid()
  AND l.locktype = 'relation'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
ORDER BY
    relation,
    l.mode
