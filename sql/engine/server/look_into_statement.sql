-- Makes a temporary function of a statement, so that the catalog says what it reads; no row.
-- It is never called. Between the braces goes the statement.
CREATE FUNCTION pg_temp.looked_into() RETURNS void
LANGUAGE sql
BEGIN ATOMIC
{statement};
END
