-- Ends the looking for entities that are there and whose score has been stale for a day; no row.
-- Their record has settled. From then on a sweep alone sees that such an entity is gone.
-- Parameters: job, output, as_of, entity_ids (array).
UPDATE scorer.current_scores
SET looked_for = false
WHERE job = :job
  AND output = :output
  AND entity_id = ANY (CAST(:entity_ids AS text []))
  AND looked_for
  AND valid_until <= CAST(:as_of AS timestamptz) - INTERVAL '1 day'
