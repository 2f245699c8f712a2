-- Appends the staged outcomes to the ledger; one row per entity and per score in the shadow.
-- A score in the shadow is what a challenger says. The moment at which the run began decides which partition the rows go to.
-- Parameters: job, output, task, run_id, batch_id, model_version, job_version.
INSERT INTO scorer.scores (
    score_id,
    job,
    entity_id,
    output,
    run_id,
    batch_id,
    task,
    status,
    reason,
    score,
    risk_band,
    label,
    outputs,
    attributes,
    as_of,
    as_known_at,
    valid_until,
    input_hash,
    features,
    model_version,
    job_version,
    shadow,
    run_began_at
)
OVERRIDING SYSTEM VALUE
SELECT
    o.score_id,
    :job,
    o.entity_id,
    :output,
    :run_id,
    :batch_id,
    :task,
    o.status,
    o.reason,
    o.score,
    o.risk_band,
    o.label,
    o.outputs,
    o.attributes,
    o.as_of,
    COALESCE(o.as_known_at, o.as_of),
    o.valid_until,
    o.input_hash,
    o.features,
    COALESCE(o.model_version, :model_version),
    :job_version,
    o.shadow,
    (
        SELECT r.started_at
        FROM scorer.runs AS r
        WHERE r.run_id = :run_id
    )
FROM pg_temp.staged_outcomes AS o
