-- Some columns of what a job's own statement gives, row for row: what is not needed is not sent. In the first braces go the columns, in
-- the others the statement.
SELECT {columns}
FROM (
    {statement}
) AS given
