-- Deletes the staged rows whose visit_id is taken; one row per row deleted, with line and reason.
-- It is taken by a row of the table, or by an earlier line of the file. The rows come in the order of the file.
WITH judged AS (
    SELECT
        l.line,
        MIN(l.line) OVER (PARTITION BY l.visit_id) AS first_line,
        t.visit_id IS NOT NULL AS is_there
    FROM pg_temp.loading_visits AS l
    LEFT JOIN public.visits AS t
        ON t.visit_id = l.visit_id
),

refused AS (
    DELETE FROM pg_temp.loading_visits AS l
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
        WHEN is_there THEN 'visit_id is already there with other content'
        ELSE 'visit_id is already on line ' || first_line
    END AS reason
FROM refused
ORDER BY line
