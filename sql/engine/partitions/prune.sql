-- Deletes up to portion rows of a table that have been kept for long enough; one row: how many.
-- Between the braces go the table and the statement of sql/engine/retention/ that finds the rows, with its parameter.
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
