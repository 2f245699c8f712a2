-- Has the session look for functions and tables in PostgreSQL's own schema alone.
-- It goes before the first statement that names any: whatever the login's role or database would search is not searched.
SET search_path TO pg_catalog, pg_temp
