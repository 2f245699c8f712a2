-- How a job's model versions do, the one in production first; one row per version.
-- Listed are those that ever were in production, and those in staging.
-- Parameters: job.
SELECT
    h.model_version,
    h.status,
    h.deployed_at,
    h.prediction_count,
    h.avg_latency_ms,
    h.error_rate,
    h.drift_detected,
    h.last_prediction_at
FROM reporting.model_health AS h
WHERE h.job = :job
ORDER BY h.status <> 'production', h.deployed_at DESC NULLS LAST, h.model_version
