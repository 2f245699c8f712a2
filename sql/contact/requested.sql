-- The asked persons' slots that may be scored, as due.sql has it, each with the moment as of which it is scored.
-- One row per slot of a person.
-- Parameters: entity_ids (array), as_of.
SELECT
    e.entity_id,
    GREATEST(LEAST(p.left_at, CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of
FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
JOIN contact.people AS p ON p.person_id = regexp_replace(e.entity_id, '/[^/]*$', '')
JOIN contact.slots AS s ON s.slot_id = regexp_replace(e.entity_id, '^.*/', '')
WHERE strpos(e.entity_id, '/') > 0
  AND (p.joined_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
  AND EXISTS (SELECT FROM contact.prompts AS t WHERE t.person_id = p.person_id AND t.sent_at <= CAST(:as_of AS timestamptz))
