-- The registered models of all jobs, newest first; one row per version.
-- data is said where the figures are of no real outcomes.
-- log_loss is of multiclass jobs, mae of regressions; the other figures are of binary ones, auroc of multiclass ones too.
SELECT
    job,
    model_version,
    status,
    registered_at,
    promoted_at,
    data,
    auroc,
    average_precision,
    brier,
    CAST(metrics #>> '{log_loss,value}' AS double precision) AS log_loss,
    CAST(metrics #>> '{mae,value}' AS double precision) AS mae
FROM reporting.models
ORDER BY
    job,
    registered_at DESC
