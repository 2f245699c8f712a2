-- What a job's own statement returns, in one row: each column's values one after the other.
-- A driver takes its time for every row, whatever is in it. scorer/database/source/folded.py says how each type is written, and reads it.
-- The condition costs nothing and holds always. PostgreSQL refuses it where a column is of another type by now than when it was asked for,
-- and would be cast to it: 1.5 to 2, where whole numbers were asked for.
-- Between the first braces go the columns, between the second the statement, between the third that each column is of its type.
SELECT
    count(*) AS rows,
    {columns}
FROM (
    {statement}
) AS given
WHERE true OR ({types})
