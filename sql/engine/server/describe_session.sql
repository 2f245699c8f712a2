-- The server's version and encoding, and the login and role of this session; one row.
SELECT
    current_setting('server_version') AS version,
    current_setting('server_version_num')::integer / 10000 AS major,
    current_setting('server_encoding') AS encoding,
    session_user AS login,
    current_user AS role
