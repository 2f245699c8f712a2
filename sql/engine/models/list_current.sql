-- The entities that may be scored as of a time, whether or not they are due; one row per entity, with the moment as of which each is
-- judged. Between the first parentheses goes the job's own due.sql, which gives entity_id, as_of and settled; those that are settled have
-- ended for good and are left out. Where there is a limit, it is by lot.
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
