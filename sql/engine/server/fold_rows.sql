-- What a job's own statement returns, in one row: the values of each column one after the other, as bytes.
-- A driver takes its time for every row, whatever is in it. scorer/database/source/folded.py says how each type is written, and reads it.
-- Between the first braces go the columns, between the second the statement.
SELECT
    count(*) AS rows,
    {columns}
FROM (
    {statement}
) AS given
