-- Columns without a time zone that a statement takes as of its session's zone; one row per column.
-- It is the statement that look_into_statement.sql has made a function of.
-- A statement guesses where it turns a timestamp into one with a time zone, or the other way round, or compares both: by functions of
-- PostgreSQL's that are stable, as they depend on the session. AT TIME ZONE is none of them. Views that it reads are looked into as well.
WITH RECURSIVE parts (class, object, tree) AS (
    SELECT
        CAST('pg_proc' AS regclass),
        p.oid,
        CAST(p.prosqlbody AS text)
    FROM pg_proc AS p
    WHERE p.proname = 'looked_into'
        AND p.pronamespace = pg_my_temp_schema()

    UNION

    SELECT
        CAST('pg_rewrite' AS regclass),
        r.oid,
        CAST(r.ev_action AS text)
    FROM parts AS p
    INNER JOIN pg_depend AS d
        ON d.classid = p.class
        AND d.objid = p.object
        AND d.refclassid = CAST('pg_class' AS regclass)
    INNER JOIN pg_rewrite AS r
        ON r.ev_class = d.refobjid
        AND r.ev_type = '1'
        AND (p.class, p.object) <> (CAST('pg_rewrite' AS regclass), r.oid)
),

guessing AS (
    SELECT
        p.class,
        p.object
    FROM parts AS p
    WHERE p.tree ~ 'SQLVALUEFUNCTION [^}]*type 1114 '  -- LOCALTIMESTAMP
       OR EXISTS (
           SELECT
           FROM regexp_matches(p.tree, '(op|)funcid ([0-9]+)', 'g') AS m (found)
           INNER JOIN pg_proc AS f
               ON f.oid = CAST(m.found[2] AS oid)
           WHERE f.pronamespace = CAST('pg_catalog' AS regnamespace)
               AND f.provolatile = 's'
               AND CAST('timestamp' AS regtype) = ANY (array_append(CAST(f.proargtypes AS oid []), f.prorettype))
               AND CAST('timestamptz' AS regtype) = ANY (array_append(CAST(f.proargtypes AS oid []), f.prorettype))
       )
)

SELECT DISTINCT n.nspname || '.' || c.relname || '.' || a.attname AS column_name
FROM guessing AS g
INNER JOIN pg_depend AS d
    ON d.classid = g.class
    AND d.objid = g.object
    AND d.refclassid = CAST('pg_class' AS regclass)
INNER JOIN pg_attribute AS a
    ON a.attrelid = d.refobjid
    AND a.attnum = d.refobjsubid
    AND a.atttypid = CAST('timestamp' AS regtype)
INNER JOIN pg_class AS c
    ON c.oid = a.attrelid
INNER JOIN pg_namespace AS n
    ON n.oid = c.relnamespace
ORDER BY column_name
