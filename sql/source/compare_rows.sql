-- Notes at each staged row of a job's file that is there the columns in which it differs; no row.
-- Columns that the file lacks are not compared. The names are separated by commas; none: alike in all. Between the braces go the tables,
-- what tells that it is the same row (its key; without one, all columns of the file as text, in which empty values are alike too and which
-- can be hashed), and for each column that may differ its name where it does.
UPDATE pg_temp.{staged} AS l
SET differs_in = concat_ws(
    ', ',
    {differences}
)
FROM {relation} AS t
WHERE {same}
