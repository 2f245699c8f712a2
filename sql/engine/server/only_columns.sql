-- Some columns of what a job's own statement returns, row for row: what is not needed is not sent.
-- Between the first braces go the columns, between the second the statement.
SELECT {columns}
FROM (
    {statement}
) AS given
