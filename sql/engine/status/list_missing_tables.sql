-- Those of the named tables and views that the database does not have; one row per table.
-- A table whose schema this role may not enter is there all the same.
-- Parameters: schemas, names (arrays, one element per table).
SELECT
    t.table_schema,
    t.table_name
FROM unnest(CAST(%(schemas)s AS text []), CAST(%(names)s AS text [])) AS t (table_schema, table_name)
WHERE NOT EXISTS (
    SELECT
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = t.table_schema
      AND c.relname = t.table_name
)
ORDER BY
    t.table_schema,
    t.table_name
