-- The tables of the hospital's that this transaction may have written; one row per table.
-- With each comes its size, and the column of a key of one column, by which a row can be found again.
SELECT
    quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS relation,
    pg_relation_size(c.oid) AS bytes,
    k.key_column,
    k.key_type
FROM pg_locks AS l
JOIN pg_class AS c ON c.oid = l.relation
JOIN pg_namespace AS n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT
        quote_ident(a.attname) AS key_column,
        format_type(a.atttypid, NULL) AS key_type
    FROM pg_index AS i
    JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
    WHERE i.indrelid = c.oid
      AND i.indisunique
      AND i.indnkeyatts = 1
      AND i.indpred IS NULL
      AND i.indexprs IS NULL
    ORDER BY i.indisprimary DESC
    LIMIT 1
) AS k ON true
WHERE l.pid = pg_backend_pid()
  AND l.locktype = 'relation'
  AND l.mode = 'RowExclusiveLock'
  AND c.relkind = 'r'
  AND c.relpersistence <> 't'
  AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'scorer')
ORDER BY relation
