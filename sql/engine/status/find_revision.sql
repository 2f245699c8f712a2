-- Whether the schema was ever made; one row.
-- This needs no privilege on the schema.
SELECT EXISTS (
    SELECT
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'scorer'
      AND c.relname = 'alembic_version'
) AS is_there
