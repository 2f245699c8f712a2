-- Opens a run as of a time, or as of now by the database's clock; one row: its key and times.
-- Parameters: job, job_version, model_version, trigger, scheduled_for (null: not set off by a schedule), as_of (null: now), as_known_at
-- (null: known as of each entity's own as-of time), scorer_version.
INSERT INTO scorer.runs (job, job_version, model_version, trigger, scheduled_for, as_of, as_known_at, scorer_version)
VALUES (
    :job,
    :job_version,
    :model_version,
    :trigger,
    :scheduled_for,
    COALESCE(CAST(:as_of AS timestamptz), now()),
    COALESCE(CAST(:as_known_at AS timestamptz), CAST(:as_of AS timestamptz), now()),
    :scorer_version
)
RETURNING
    run_id,
    as_of,
    started_at
