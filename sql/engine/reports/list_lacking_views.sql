-- The views of reporting that a page needs and this schema has not; one row per name.
-- This needs no privilege on any of them.
-- Parameters: names.
SELECT n.name
FROM unnest(CAST(%(names)s AS text [])) AS n (name)
WHERE NOT EXISTS (
    SELECT
    FROM pg_class AS c
    JOIN pg_namespace AS s ON s.oid = c.relnamespace
    WHERE s.nspname = 'reporting'
      AND c.relname = n.name
)
ORDER BY n.name
