-- About how many rows the named tables have, partitions included; one row per table there is.
-- Parameters: table_names (array).
SELECT
    c.relname AS table_name,
    (
        SELECT COALESCE(sum(GREATEST(k.reltuples, pg_stat_get_live_tuples(k.oid), 0)), 0)
        FROM pg_class AS k
        WHERE (k.oid = c.oid AND k.relkind = 'r')
           OR k.oid IN (
               SELECT i.inhrelid
               FROM pg_inherits AS i
               WHERE i.inhparent = c.oid
           )
    )::bigint AS rows
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname = 'scorer'
  AND c.relname = ANY (CAST(:table_names AS text []))
