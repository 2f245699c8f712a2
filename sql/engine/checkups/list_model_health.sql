-- How a job's model versions do: one row per version that ever was in production, or is in staging, the one in production first.
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
