-- The revision that the schema is at; one row, null before the first.
SELECT max(version_num) AS revision
FROM scorer.alembic_version
