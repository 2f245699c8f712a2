-- The columns of a table; one row per column, none where the table is missing.
-- must_have: the database refuses a row without a value there.
-- Parameters: table (with its schema).
SELECT
    a.attname AS column_name,
    t.typname AS type_name,
    a.attnotnull AND NOT a.atthasdef AS must_have
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_type AS t
    ON t.oid = a.atttypid
WHERE a.attrelid = pg_catalog.to_regclass(%(table)s)
    AND a.attnum > 0
    AND NOT a.attisdropped
ORDER BY a.attnum
