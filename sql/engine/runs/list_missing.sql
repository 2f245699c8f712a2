-- Entities with a score that a sweep does not find; one row per entity.
-- Between the parentheses goes the job's own due.sql, which returns every entity. Scores as of a later moment than the run's are left
-- alone.
-- Parameters: job, output, as_of, and those of due.sql.
SELECT c.entity_id
FROM scorer.current_scores AS c
WHERE c.job = :job
  AND c.output = :output
  AND c.score_id IS NOT NULL
  AND c.as_of <= :as_of
  AND NOT EXISTS (
      SELECT
      FROM (
          {due}
      ) AS due
      WHERE due.entity_id = c.entity_id
  )
