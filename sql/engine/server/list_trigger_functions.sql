-- The functions that an update by this role can fire, and that search where the caller does.
-- One row per trigger. Those in C, and those with a search_path of their own, are left out. unqualified: the tables, views, sequences and
-- functions beyond PostgreSQL's own that a function's text reads, writes or calls without a schema before the name.
-- Parameters: tables (as schema.table).
WITH fired AS (
    SELECT
        n.nspname || '.' || c.relname AS relation,
        t.tgname AS trigger,
        CAST(CAST(p.oid AS regprocedure) AS text) AS function,
        regexp_replace(regexp_replace(p.prosrc, '--[^\n]*', '', 'g'), '/\*.*?\*/', '', 'g') AS body
    FROM unnest(CAST(:tables AS text [])) AS asked(relation)
    JOIN pg_class AS c ON true
    JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname || '.' || c.relname = asked.relation
    JOIN pg_trigger AS t ON t.tgrelid = c.oid
    JOIN pg_proc AS p ON p.oid = t.tgfoid
    JOIN pg_language AS l ON l.oid = p.prolang
    WHERE NOT t.tgisinternal
      AND t.tgenabled IN ('O', 'A')
      AND t.tgtype & 16 <> 0
      AND l.lanname NOT IN ('c', 'internal')
      AND NOT EXISTS (SELECT FROM unnest(p.proconfig) AS s(setting) WHERE s.setting LIKE 'search_path=%')
      AND (
          t.tgattr = CAST('' AS int2vector)
          OR EXISTS (
              SELECT
              FROM unnest(CAST(t.tgattr AS smallint [])) AS k(number)
              WHERE has_column_privilege(c.oid, k.number, 'UPDATE')
          )
      )
),

beyond AS (
    SELECT
        r.relname AS name,
        '\m(from|join|into|update|only|table|truncate|exists)\s+"?' AS before,
        '"?($|[^."\w])' AS behind
    FROM pg_class AS r
    JOIN pg_namespace AS s ON s.oid = r.relnamespace
    WHERE r.relkind IN ('r', 'p', 'v', 'm', 'f')
      AND s.nspname NOT IN ('pg_catalog', 'information_schema')
      AND s.nspname NOT LIKE 'pg\_t%'
    UNION
    SELECT
        r.relname,
        'nextval\s*\(\s*''',
        ''''
    FROM pg_class AS r
    WHERE r.relkind = 'S'
    UNION
    SELECT
        f.proname,
        '(^|[^."\w])"?',
        '"?\s*\('
    FROM pg_proc AS f
    JOIN pg_namespace AS s ON s.oid = f.pronamespace
    WHERE s.nspname NOT IN ('pg_catalog', 'information_schema')
)

SELECT
    f.relation,
    f.trigger,
    f.function,
    ARRAY(
        SELECT DISTINCT b.name
        FROM beyond AS b
        WHERE position(b.name IN lower(f.body)) > 0
          AND f.body ~* (b.before || regexp_replace(b.name, '(\W)', '\\\1', 'g') || b.behind)
        ORDER BY b.name
    ) AS unqualified
FROM fired AS f
ORDER BY
    f.relation,
    f.trigger
