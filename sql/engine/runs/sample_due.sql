-- Some of the entities that may be due, as the job's own statement gives them; one row per entity.
-- Between the parentheses goes the job's due.sql.
-- Parameters: max_entities, and those of the job's statement.
SELECT
    sample.entity_id,
    sample.as_of,
    sample.settled
FROM (
    {due}
) AS sample
LIMIT :max_entities
