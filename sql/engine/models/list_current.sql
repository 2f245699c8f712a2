-- The entities that may be scored as of a time, due or not; one row per entity.
-- Each has its own as-of time. Between the first parentheses goes the job's own due.sql, which returns entity_id, as_of and settled.
-- Settled entities have ended for good and are left out. With a limit, the order is random.
-- Parameters: max_entities (null: all), and those of due.sql.
WITH due AS (
    {due}
)

SELECT
    due.entity_id,
    due.as_of
FROM due
WHERE NOT due.settled
ORDER BY
    CASE WHEN CAST(:max_entities AS bigint) IS NOT NULL THEN random() END,
    due.entity_id
LIMIT :max_entities
