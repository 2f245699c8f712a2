-- Our tables that have changed too much since they were last analyzed; one row per table.
-- Too much is more than a fifth of the rows plus 1,000. Of a partitioned table, taken as one, a tenth will do: autovacuum does not analyze
-- it.
SELECT t.relname
FROM (
    SELECT
        c.relname,
        GREATEST(c.reltuples, 0) * CASE WHEN c.relkind = 'p' THEN 0.1 ELSE 0.2 END + 1000 AS allowed,
        CASE
            WHEN c.relkind = 'r' THEN pg_stat_get_mod_since_analyze(c.oid)
            ELSE (
                SELECT abs(COALESCE(sum(pg_stat_get_live_tuples(i.inhrelid)), 0) - GREATEST(c.reltuples, 0))
                FROM pg_inherits AS i
                WHERE i.inhparent = c.oid
            )
        END AS changed
    FROM pg_class AS c
    WHERE c.relnamespace = 'scorer'::regnamespace
      AND (c.relkind = 'p' OR (c.relkind = 'r' AND NOT c.relispartition))
) AS t
WHERE t.changed > t.allowed
ORDER BY t.relname
