-- The model version of a job that is in production and watched; one row, or none.
-- trained_at: when its manifest was created, or, where the manifest does not say, when it was registered.
-- Parameters: job.
SELECT
    m.model_version,
    m.promoted_at,
    COALESCE(
        CASE WHEN m.manifest ->> 'created_at' ~ '^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}' THEN CAST(m.manifest ->> 'created_at' AS timestamptz) END,
        m.registered_at
    ) AS trained_at,
    now() AS read_at,
    COALESCE(m.manifest -> 'metrics', '{}') AS metrics,
    COALESCE(m.manifest -> 'classes', '[]') AS classes,
    jsonb_build_object('features', m.manifest -> 'features', 'baseline', m.manifest -> 'baseline') AS manifest,
    COALESCE(m.manifest -> 'facilities', '{}') AS facilities
FROM scorer.model_versions AS m
WHERE m.job = :job
  AND m.status = 'production'
