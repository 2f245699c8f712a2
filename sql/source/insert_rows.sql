-- Inserts the rows that are left of a job's file, in its order; one row per row.
-- Between the braces go the tables and the columns that the file has: for others the table's default stands.
INSERT INTO {relation} (
    {columns}
)
SELECT
    {columns}
FROM pg_temp.{staged}
ORDER BY line_of_file
