-- What happened to a model version, oldest first; one row per change of status.
-- Parameters: job, model_version.
SELECT
    happened_at,
    from_status,
    to_status,
    done_by,
    why
FROM reporting.model_events
WHERE job = :job
  AND model_version = :model_version
ORDER BY event_id
