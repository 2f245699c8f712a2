-- Records what a checkup found of a model in production; one row: its key.
-- Parameters: job, model_version, job_version, window_from, scores, drifted, features, features_moved, worst_feature, worst_psi, score_psi,
-- moved (JSON), constant_share, new_codes (JSON), performance_lost, retrain_after.
INSERT INTO scorer.checkups (
    job,
    model_version,
    job_version,
    window_from,
    scores,
    drifted,
    features,
    features_moved,
    worst_feature,
    worst_psi,
    score_psi,
    moved,
    constant_share,
    new_codes,
    performance_lost,
    retrain_after
)
VALUES (
    :job,
    :model_version,
    :job_version,
    :window_from,
    :scores,
    :drifted,
    :features,
    :features_moved,
    :worst_feature,
    :worst_psi,
    :score_psi,
    CAST(:moved AS jsonb),
    :constant_share,
    CAST(:new_codes AS jsonb),
    :performance_lost,
    :retrain_after
)
RETURNING checkup_id
