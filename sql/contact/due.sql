-- The slots of the week ahead of each person who is contacted: one row per person and slot, `person/slot` (such as 14/Mon-19). The slot is
-- what stands behind the last `/`: a slot with one in its id would be read as another person's, and is left out.
-- Whoever is contacted no more is scored as of then, and is settled once `recheck` has passed since; a time before 1900 is a mistake.
-- A sweep looks at every person; any other run at those who are not settled, and at those that it is told of.
-- Parameters: as_of, recheck, sweep, entity_ids (array: whom to look at, settled or not).
SELECT
    p.person_id || '/' || s.slot_id AS entity_id,
    GREATEST(LEAST(p.left_at, CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(p.left_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM contact.people AS p
CROSS JOIN contact.slots AS s
WHERE strpos(s.slot_id, '/') = 0
  AND (p.joined_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
  AND EXISTS (SELECT FROM contact.prompts AS t WHERE t.person_id = p.person_id AND t.sent_at <= CAST(:as_of AS timestamptz))
  AND (
      CAST(:sweep AS boolean)
      OR (p.left_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval)) IS NOT TRUE
      OR p.person_id || '/' || s.slot_id = ANY (CAST(:entity_ids AS text []))
  )
