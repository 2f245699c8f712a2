-- A recall as it was made; one row, or none.
-- Parameters: recall_id.
SELECT
    recall_id,
    job,
    happened_at,
    done_by,
    why,
    model_version,
    job_version,
    scored_from,
    scored_until,
    in_force,
    scores,
    shadow_scores,
    entities
FROM reporting.recall_events
WHERE recall_id = :recall_id
