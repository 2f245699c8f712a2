-- Appends the staged outcomes to the ledger; one row per entity.
-- Parameters: job, output, task, run_id, batch_id, as_known_at, model_version, job_version.
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
    job_version
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
    LEAST(o.as_of, :as_known_at),
    o.valid_until,
    o.input_hash,
    o.features,
    :model_version,
    :job_version
FROM pg_temp.staged_outcomes AS o
