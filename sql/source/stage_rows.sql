-- Makes the table in which rows of a job's file wait until it is known which can be loaded.
-- Its types are those of the table to load. line: in the file. Between the braces go the names of both tables, and the columns.
CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS
SELECT
    0::bigint AS line,
    {columns}
FROM {relation}
WITH NO DATA
