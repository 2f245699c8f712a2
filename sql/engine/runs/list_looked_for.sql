-- Entities with a score that the run has not found due, as runs before it did; one row per entity.
-- Their record has settled since, or they are gone. Scores as of a later moment than the run's are left alone.
-- Parameters: job, output, as_of.
SELECT c.entity_id
FROM scorer.current_scores AS c
WHERE c.job = :job
  AND c.output = :output
  AND c.looked_for
  AND c.as_of <= :as_of
  AND NOT EXISTS (
      SELECT
      FROM scorer.work AS w
      WHERE w.job = c.job
        AND w.entity_id = c.entity_id
  )
