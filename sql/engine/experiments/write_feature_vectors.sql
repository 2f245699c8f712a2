-- Writes feature vectors of a job, in place of those of the same entity and as-of time.
-- Parameters: job, job_version, vectors (a JSON array of objects with entity_id, as_of, status, reason and features).
INSERT INTO scorer.feature_vectors AS t (job, entity_id, as_of, job_version, status, reason, features)
SELECT
    CAST(:job AS text) AS job,
    v.entity_id,
    v.as_of,
    CAST(:job_version AS text) AS job_version,
    v.status,
    v.reason,
    v.features
FROM jsonb_to_recordset(CAST(:vectors AS jsonb)) AS v (
    entity_id text,
    as_of timestamptz,
    status text,
    reason text,
    features jsonb
)
ON CONFLICT (job, entity_id, as_of) DO UPDATE SET
    job_version = excluded.job_version,
    status = excluded.status,
    reason = excluded.reason,
    features = excluded.features,
    built_at = now(),
    built_by = session_user
