-- Deletes the staged rows that a job's table holds, alike in every column of the file; no row.
-- As texts, rows with empty values are alike too, and can be hashed. Between the braces go the tables and the columns that the file has.
DELETE FROM pg_temp.{staged} AS l
WHERE EXISTS (
    SELECT
    FROM {relation} AS t
    WHERE CAST(ROW({theirs}) AS text) = CAST(ROW({given}) AS text)
)
