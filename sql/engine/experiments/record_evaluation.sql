-- Records an evaluation; one row: its key.
-- Parameters: job, job_version, model_version, as_of_every, first_as_of, last_as_of, outcomes, clients, clients_seen, cohort_sha256,
-- attrition, reliability, remarks, bootstraps, command, scorer_version.
INSERT INTO scorer.evaluations (
    job,
    job_version,
    model_version,
    as_of_every,
    first_as_of,
    last_as_of,
    outcomes,
    clients,
    clients_seen,
    cohort_sha256,
    attrition,
    reliability,
    remarks,
    bootstraps,
    command,
    scorer_version
)
VALUES (
    :job,
    :job_version,
    :model_version,
    :as_of_every,
    :first_as_of,
    :last_as_of,
    :outcomes,
    :clients,
    :clients_seen,
    :cohort_sha256,
    CAST(:attrition AS jsonb),
    CAST(:reliability AS jsonb),
    CAST(:remarks AS text []),
    :bootstraps,
    :command,
    :scorer_version
)
RETURNING evaluation_id
