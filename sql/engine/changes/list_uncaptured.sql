-- What this transaction has read whose changes are not all captured for a job; one row per table.
-- The catalog and our own table are left out. A table is captured whose triggers are there for insertion, update, deletion and truncation,
-- and fire ALWAYS. Of a view, a foreign table, or a table with parent or parts nothing is known, nor of one that a subscription fills, or
-- may where pglogical or BDR is installed: what is applied fires no trigger by statement.
-- Parameters: captured_job.
SELECT DISTINCT CAST(CAST(c.oid AS regclass) AS text) AS relation
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT bit_or(t.tgtype) AS fires
    FROM pg_catalog.pg_trigger AS t
    JOIN pg_catalog.pg_proc AS f ON f.oid = t.tgfoid
    JOIN pg_catalog.pg_namespace AS s ON s.oid = f.pronamespace
    WHERE t.tgrelid = c.oid
      AND t.tgenabled = 'A'
      AND s.nspname = 'scorer'
      AND f.proname = 'changed_observations_of_' || :captured_job
) AS captured ON true
WHERE l.pid = pg_backend_pid()
  AND l.locktype = 'relation'
  AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast')
  AND c.oid <> CAST('scorer.captured_changes' AS regclass)
  AND (
      c.relkind <> 'r'
      OR c.relpersistence <> 'p'
      OR COALESCE(captured.fires & 60, 0) <> 60
      OR EXISTS (SELECT FROM pg_catalog.pg_inherits AS i WHERE i.inhrelid = c.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS s WHERE s.srrelid = c.oid)
      OR EXISTS (SELECT FROM pg_catalog.pg_extension AS x WHERE x.extname IN ('pglogical', 'bdr'))
  )
