-- Records a search, or dates it anew where it has gone on since; one row.
-- Parameters: experiment_id, job, job_version, objective, folds, landmark_step, seed, landmarks, positive_landmarks, entities, clients,
-- data_sha256, libraries, planned, started_at, scorer_version.
INSERT INTO scorer.experiments AS e (
    experiment_id,
    job,
    job_version,
    objective,
    folds,
    landmark_step,
    seed,
    landmarks,
    positive_landmarks,
    entities,
    clients,
    data_sha256,
    libraries,
    planned,
    started_at,
    scorer_version
)
VALUES (
    :experiment_id,
    :job,
    :job_version,
    :objective,
    :folds,
    CAST(:landmark_step AS interval),
    :seed,
    :landmarks,
    :positive_landmarks,
    :entities,
    :clients,
    :data_sha256,
    CAST(:libraries AS jsonb),
    :planned,
    CAST(:started_at AS timestamptz),
    :scorer_version
)
ON CONFLICT (experiment_id) DO UPDATE SET kept_at = now(), kept_by = session_user
