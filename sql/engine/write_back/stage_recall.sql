-- Stages an entity as one whose score is to be taken back, to see whether take_back can; no row.
-- Its transaction is rolled back.
-- Parameters: entity_id.
INSERT INTO pg_temp.staged_take_back (entity_id, since)
SELECT
    :entity_id,
    now()
