-- The columns of a table; one row per column, none where the table is missing.
-- must_have: the database refuses a row without a value there. length: of text, in characters. words: those of an enum, in its order.
-- A domain is of the type that it restricts.
-- Parameters: table (with its schema).
SELECT
    a.attname AS column_name,
    COALESCE(b.typname, t.typname) AS type_name,
    (a.attnotnull OR t.typnotnull) AND NOT a.atthasdef AS must_have,
    CASE
        WHEN COALESCE(b.typname, t.typname) IN ('bpchar', 'varchar')
            THEN NULLIF(GREATEST(a.atttypmod, t.typtypmod), -1) - 4
    END AS length,
    ARRAY(
        SELECT e.enumlabel::text
        FROM pg_catalog.pg_enum AS e
        WHERE e.enumtypid = COALESCE(b.oid, t.oid)
        ORDER BY e.enumsortorder
    ) AS words
FROM pg_catalog.pg_attribute AS a
INNER JOIN pg_catalog.pg_type AS t
    ON t.oid = a.atttypid
LEFT JOIN pg_catalog.pg_type AS b
    ON b.oid = t.typbasetype
WHERE a.attrelid = pg_catalog.to_regclass(%(table)s)
    AND a.attnum > 0
    AND NOT a.attisdropped
ORDER BY a.attnum
