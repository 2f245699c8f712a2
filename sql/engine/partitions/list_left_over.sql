-- What an earlier upkeep began and did not end; one row per table.
-- That is a partition of the ledger that is half detached, or (ledger is null) one that is detached and was to be dropped.
SELECT
    p.relname AS ledger,
    quote_ident(c.relname) AS part
FROM pg_inherits AS i
JOIN pg_class AS p ON p.oid = i.inhparent
JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhdetachpending
  AND p.relnamespace = 'scorer'::regnamespace
UNION ALL
SELECT
    NULL AS ledger,
    quote_ident(c.relname) AS part
FROM pg_class AS c
WHERE c.relnamespace = 'scorer'::regnamespace
  AND c.relkind = 'r'
  AND NOT c.relispartition
  AND obj_description(c.oid, 'pg_class') = 'Expired; scorer maintain drops it.'
