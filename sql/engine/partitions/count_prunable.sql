-- Counts a table's rows that have been kept for long enough; one row.
-- Between the braces goes the statement of sql/engine/retention/ that finds them, with its parameter.
SELECT count(*) AS rows
FROM (
    {rows}
) AS r
