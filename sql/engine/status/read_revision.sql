-- The revision that the schema is at; one row, null before the first.
-- Of several, which no upgrade leaves, all: that is no revision that anything knows.
SELECT string_agg(version_num, ', ' ORDER BY version_num) AS revision
FROM scorer.alembic_version
