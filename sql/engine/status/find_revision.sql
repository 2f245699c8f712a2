-- Whether the schema was ever made, which needs no privilege on it; one row.
SELECT EXISTS (
    SELECT
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'scorer'
      AND c.relname = 'alembic_version'
) AS is_there
