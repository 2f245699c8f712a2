-- Makes the staged outcomes current, except those in the shadow; one row per entity.
-- An outcome without a score renews the status, and leaves the earlier score standing until it expires, beside the attributes that it was
-- made with: where those, or its observations, are others by now, withdraw_scores.sql has taken it back before. Whoever gets a score that
-- is valid at the run's as-of time is looked for by the runs that follow (see list_looked_for.sql).
-- Parameters: job, output, as_of, model_version, job_version.
INSERT INTO scorer.current_scores AS c (
    job,
    entity_id,
    output,
    status,
    status_as_of,
    status_known_at,
    status_at,
    reason,
    input_hash,
    judged_by_model,
    judged_by_job,
    attributes,
    looked_for,
    score_id,
    score,
    risk_band,
    label,
    outputs,
    as_of,
    scored_at,
    valid_until,
    model_version
)
SELECT
    :job,
    o.entity_id,
    :output,
    o.status,
    o.as_of,
    o.as_known_at,
    now(),
    o.reason,
    o.input_hash,
    COALESCE(o.model_version, :model_version),
    :job_version,
    o.attributes,
    COALESCE(o.valid_until > :as_of, false),
    CASE WHEN o.status = 'SCORED' THEN o.score_id END,
    o.score,
    o.risk_band,
    o.label,
    CASE WHEN o.status = 'SCORED' THEN o.outputs ELSE '{}' END,
    CASE WHEN o.status = 'SCORED' THEN o.as_of END,
    CASE WHEN o.status = 'SCORED' THEN now() END,
    o.valid_until,
    CASE WHEN o.status = 'SCORED' THEN COALESCE(o.model_version, :model_version) END
FROM pg_temp.staged_outcomes AS o
WHERE NOT o.shadow
ON CONFLICT (job, entity_id, output) DO UPDATE
SET
    status = excluded.status,
    status_as_of = excluded.status_as_of,
    status_known_at = excluded.status_known_at,
    status_at = excluded.status_at,
    reason = excluded.reason,
    input_hash = excluded.input_hash,
    judged_by_model = excluded.judged_by_model,
    judged_by_job = excluded.judged_by_job,
    attributes = CASE WHEN excluded.status = 'SCORED' OR c.score IS NULL THEN excluded.attributes ELSE c.attributes END,
    looked_for = CASE WHEN excluded.status = 'SCORED' THEN excluded.looked_for ELSE c.looked_for END,
    score_id = COALESCE(excluded.score_id, c.score_id),
    score = COALESCE(excluded.score, c.score),
    risk_band = CASE WHEN excluded.status = 'SCORED' THEN excluded.risk_band ELSE c.risk_band END,
    label = CASE WHEN excluded.status = 'SCORED' THEN excluded.label ELSE c.label END,
    outputs = CASE WHEN excluded.status = 'SCORED' THEN excluded.outputs ELSE c.outputs END,
    as_of = COALESCE(excluded.as_of, c.as_of),
    scored_at = COALESCE(excluded.scored_at, c.scored_at),
    valid_until = COALESCE(excluded.valid_until, c.valid_until),
    model_version = COALESCE(excluded.model_version, c.model_version)
