-- The registered models of all jobs, newest first; one row per version.
SELECT
    job,
    model_version,
    status,
    registered_at,
    promoted_at,
    auroc,
    average_precision,
    brier
FROM reporting.models
ORDER BY
    job,
    registered_at DESC
