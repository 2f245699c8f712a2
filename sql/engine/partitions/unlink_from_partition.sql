-- Unlinks up to portion rows of a table from a partition of the ledger; one row: how many.
-- Their run_began_at, which points into the partition, becomes null. Between the braces goes the table: recalls, requests or replays.
-- Parameters: begins_at, ends_at, portion.
WITH gone AS (
    UPDATE scorer.{target}
    SET run_began_at = NULL
    WHERE ctid = ANY (ARRAY(
        SELECT t.ctid
        FROM scorer.{target} AS t
        WHERE t.run_began_at >= CAST(:begins_at AS timestamptz)
          AND t.run_began_at < CAST(:ends_at AS timestamptz)
        LIMIT :portion
    ))
    RETURNING 1
)

SELECT count(*) AS rows
FROM gone
