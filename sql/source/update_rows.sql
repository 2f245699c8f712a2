-- Gives rows of a job's table the values of the staged ones; one row per set of columns.
-- It changes the columns that the file has, in the rows that differ, and says how many rows were changed in each set of columns. Between
-- the braces go the tables, the columns with their values, and what tells that it is the same row.
WITH updated AS (
    UPDATE {relation} AS t
    SET
        {changed}
    FROM pg_temp.{staged} AS l
    WHERE {same}
        AND l.differs_in <> ''
    RETURNING
        l.line_of_file,
        l.differs_in
),

settled AS (
    DELETE FROM pg_temp.{staged} AS l
    USING updated AS u
    WHERE u.line_of_file = l.line_of_file
)

SELECT
    differs_in,
    count(*) AS rows_changed
FROM updated
GROUP BY differs_in
ORDER BY differs_in
