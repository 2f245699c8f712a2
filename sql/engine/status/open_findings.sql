-- Counts the open findings of a job, and the entities concerned; one row per rule and action.
-- Parameters: job.
SELECT
    rule,
    action,
    count(*) AS findings,
    count(DISTINCT entity_id) AS entities
FROM reporting.quarantine
WHERE job = :job
  AND resolved_at IS NULL
GROUP BY
    rule,
    action
ORDER BY
    findings DESC,
    rule
