-- Deletes rows that are kept no longer, so many at the most; one row: how many were. Between the braces go the table and the statement of
-- sql/engine/retention/ that finds them, with its parameter.
-- Parameters: portion.
WITH gone AS (
    DELETE FROM scorer.{target}
    WHERE ctid = ANY (ARRAY(
        {rows}
        LIMIT :portion
    ))
    RETURNING 1
)

SELECT count(*) AS rows
FROM gone
