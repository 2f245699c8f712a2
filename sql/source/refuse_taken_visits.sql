-- Deletes the staged rows whose visit_id is taken; one row per row deleted, with its line.
-- It is taken by an earlier line of the file, or by a row of the table, unless that is to be updated: differs names the columns in which
-- that has other values. A row that the table holds already, alike, is left. The rows come in the order of the file.
-- Parameters: update (whether rows of the table are updated).
WITH judged AS (
    SELECT
        line,
        MIN(line) OVER (PARTITION BY visit_id) AS first_line,
        CASE WHEN NOT %(update)s THEN differs END AS differs
    FROM pg_temp.loading_visits
),

refused AS (
    DELETE FROM pg_temp.loading_visits AS l
    USING judged AS j
    WHERE j.line = l.line
        AND l.differs IS DISTINCT FROM ''
        AND (j.differs IS NOT NULL OR j.line > j.first_line)
    RETURNING
        j.line,
        j.differs,
        j.first_line
)

SELECT
    line,
    differs,
    first_line
FROM refused
ORDER BY line
