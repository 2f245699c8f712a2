-- Those of the asked entities that are there, with the moment as of which each is to be judged: now, or earlier where its record ended
-- earlier; one row per entity. Between the first parentheses goes the job's own requested.sql, or where it has none its due.sql.
-- Parameters: entity_ids (array), and those of the job's statement.
SELECT
    asked.entity_id,
    asked.as_of
FROM (
    {asked}
) AS asked
WHERE asked.entity_id = ANY (CAST(:entity_ids AS text []))
