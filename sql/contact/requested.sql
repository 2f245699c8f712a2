-- The asked persons' slots that may be scored, as due.sql has it, each with the moment as of which it is scored.
-- One row per slot of a person.
-- Parameters: entity_ids (array), as_of.
SELECT
    e.entity_id,
    LEAST(p.left_at, CAST(:as_of AS timestamptz)) AS as_of
FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
JOIN contact.people AS p ON p.person_id = split_part(e.entity_id, '/', 1)
JOIN contact.slots AS s ON e.entity_id = p.person_id || '/' || s.slot_id
WHERE p.joined_at <= CAST(:as_of AS timestamptz)
  AND EXISTS (SELECT FROM contact.prompts AS t WHERE t.person_id = p.person_id AND t.sent_at <= CAST(:as_of AS timestamptz))
