-- How many rows are kept no longer; one row. Between the braces goes the statement of sql/engine/retention/ that finds them, with its parameter.
SELECT count(*) AS rows
FROM (
    {rows}
) AS r
