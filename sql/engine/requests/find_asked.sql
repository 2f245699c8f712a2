-- Those of the asked entities that exist, each with its as-of time; one row per entity.
-- That time is now, or the end of the entity's record where it ended earlier. Between the first parentheses goes the job's own
-- requested.sql, or its due.sql where it has none.
-- Parameters: entity_ids (array), and those of the job's statement.
SELECT
    asked.entity_id,
    asked.as_of
FROM (
    {asked}
) AS asked
WHERE asked.entity_id = ANY (CAST(:entity_ids AS text []))
