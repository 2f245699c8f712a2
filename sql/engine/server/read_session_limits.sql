-- How many sessions this login may have; one row.
-- login and database: their CONNECTION LIMIT, null where there is none. server: max_connections, without those kept for superusers.
SELECT
    NULLIF(r.rolconnlimit, -1) AS login,
    NULLIF(d.datconnlimit, -1) AS database,
    CAST(current_setting('max_connections') AS integer) - CAST(current_setting('superuser_reserved_connections') AS integer)
    - COALESCE(CAST(current_setting('reserved_connections', true) AS integer), 0) AS server
FROM pg_roles AS r
CROSS JOIN pg_database AS d
WHERE r.rolname = session_user
  AND d.datname = current_database()
