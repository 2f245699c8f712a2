-- Gives rows of the table the values of the staged ones; one row per set of columns.
-- It changes the columns that the file has, in the rows that differ, and says how many rows were changed in each set of columns.
-- Parameters: given (array: the columns that the file has).
WITH updated AS (
    UPDATE public.outcomes AS o
    SET
        sepsis = l.sepsis,
        onset_at = CASE WHEN 'onset_at' = ANY (%(given)s) THEN l.onset_at ELSE o.onset_at END
    FROM pg_temp.loading_outcomes AS l
    WHERE o.visit_id = l.visit_id
        AND l.differs <> ''
    RETURNING
        l.line,
        l.differs
),

settled AS (
    DELETE FROM pg_temp.loading_outcomes AS l
    USING updated AS u
    WHERE u.line = l.line
)

SELECT
    differs,
    count(*) AS rows_changed
FROM updated
GROUP BY differs
ORDER BY differs
