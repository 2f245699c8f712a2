-- Other transactions that may hold rows of the tables written to just now; one row per transaction.
-- The tables are those that this transaction has written to, or locked rows of. A row's lock is not seen from outside, but whoever has
-- one has a lock of its table as well. Run after the job's own statement.
SELECT DISTINCT
    o.virtualtransaction AS holder,
    o.pid
FROM pg_catalog.pg_locks AS o
WHERE o.locktype = 'relation'
  AND o.granted
  AND o.mode NOT IN ('AccessShareLock', 'ShareUpdateExclusiveLock')
  AND o.pid IS DISTINCT FROM pg_backend_pid()
  AND (o.database, o.relation) IN (
      SELECT
          m.database,
          m.relation
      FROM pg_catalog.pg_locks AS m
      JOIN pg_catalog.pg_class AS c ON c.oid = m.relation AND c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname <> 'scorer'
      WHERE m.locktype = 'relation'
        AND m.pid = pg_backend_pid()
        AND m.mode IN ('RowShareLock', 'RowExclusiveLock')
  )
ORDER BY o.pid
