-- Opens a run; one row, its key and the moment it began.
-- Parameters: job, job_version, model_version, trigger, as_of, as_known_at, scorer_version.
INSERT INTO scorer.runs (job, job_version, model_version, trigger, as_of, as_known_at, scorer_version)
VALUES (:job, :job_version, :model_version, :trigger, :as_of, :as_known_at, :scorer_version)
RETURNING
    run_id,
    started_at
