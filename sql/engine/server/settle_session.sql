-- Gives a session its settings; one row per setting: its value from now on.
-- pid is the process of the server that has it.
-- Those under must are set whatever the session had. Those under at_most are timeouts in milliseconds, those under unless any settings: of
-- the former a shorter one counts, and of the latter any, that the database, the login's role or the URL's options have; kept says so.
-- Parameters: $1 a JSON object of the three, with the settings' names and values (numbered, as the driver of these reads has it).
SELECT
    a.key AS name,
    k.kept,
    CASE WHEN k.kept THEN current_setting(a.key) ELSE set_config(a.key, a.value, false) END AS value,
    pg_backend_pid() AS pid
FROM jsonb_each(CAST($1 AS jsonb)) AS g
CROSS JOIN LATERAL jsonb_each_text(g.value) AS a
LEFT JOIN pg_settings AS p ON lower(p.name) = lower(a.key)
CROSS JOIN LATERAL (
    SELECT COALESCE(
        g.key <> 'must'
        AND p.source IN ('global', 'database', 'user', 'database user', 'client')
        AND (g.key = 'unless' OR CAST(p.setting AS bigint) BETWEEN 1 AND CAST(a.value AS bigint) - 1),
        false
    ) AS kept
) AS k
