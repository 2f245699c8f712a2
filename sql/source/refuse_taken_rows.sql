-- Deletes the staged rows whose key is taken; one row per row deleted, with line and reason.
-- It is taken by a row of the table, or by an earlier line of the file. The rows come in the order of the file. Between the braces go the
-- tables, the columns of the key, and their names in words.
WITH judged AS (
    SELECT
        l.line,
        MIN(l.line) OVER (PARTITION BY {key}) AS first_line,
        t.is_there IS NOT NULL AS is_there
    FROM pg_temp.{staged} AS l
    LEFT JOIN LATERAL (
        SELECT true AS is_there
        FROM {relation} AS t
        WHERE {same_key}
    ) AS t ON true
),

refused AS (
    DELETE FROM pg_temp.{staged} AS l
    USING judged AS j
    WHERE j.line = l.line
        AND (j.is_there OR j.line > j.first_line)
    RETURNING
        j.line,
        j.first_line,
        j.is_there
)

SELECT
    line,
    CASE
        WHEN is_there THEN '{key_in_words} is already there with other content'
        ELSE '{key_in_words} is already on line ' || first_line
    END AS reason
FROM refused
ORDER BY line
