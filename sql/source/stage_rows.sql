-- Makes the table in which rows of a job's file wait until it is known which can be loaded.
-- Its types are those of the table to load. line_of_file: where the row stands. differs_in: the columns in which it differs from the row
-- that is there. Between the braces go the names of both tables, and the columns.
CREATE TEMPORARY TABLE {staged} ON COMMIT DROP AS
SELECT
    0::bigint AS line_of_file,
    NULL::text AS differs_in,
    {columns}
FROM {relation}
WITH NO DATA
