-- Deletes the staged rows of a job's file whose key is taken; one row per row deleted.
-- It is taken by an earlier line of the file, or by a row of the table, unless that is to be updated: differs names the columns in which
-- that has other values. A row that the table holds already, alike, is left. The rows come in the order of the file, line_of_file says
-- where each stands. Between the braces go the table and the columns of the key.
-- Parameters: update (whether rows of the table are updated).
WITH judged AS (
    SELECT
        line_of_file,
        MIN(line_of_file) OVER (PARTITION BY {key}) AS first_line,
        CASE WHEN NOT %(update)s THEN differs_in END AS differs
    FROM pg_temp.{staged}
),

refused AS (
    DELETE FROM pg_temp.{staged} AS l
    USING judged AS j
    WHERE j.line_of_file = l.line_of_file
        AND l.differs_in IS DISTINCT FROM ''
        AND (j.differs IS NOT NULL OR j.line_of_file > j.first_line)
    RETURNING
        j.line_of_file,
        j.differs,
        j.first_line
)

SELECT
    line_of_file,
    differs,
    first_line
FROM refused
ORDER BY line_of_file
