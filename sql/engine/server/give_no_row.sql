-- What a job's own statement would return, for the types of its columns; no rows.
-- Between the braces goes the statement.
SELECT *
FROM (
    {statement}
) AS given
LIMIT 0
