-- Ledger rows with all that is needed to compute them again; one row per key that is there.
-- Parameters: score_ids (array of keys).
SELECT
    score_id,
    job,
    entity_id,
    status,
    reason,
    score,
    risk_band,
    label,
    outputs,
    attributes,
    as_of,
    as_known_at,
    input_hash,
    features,
    model_version,
    job_version
FROM scorer.scores
WHERE score_id = ANY (CAST(:score_ids AS bigint []))
ORDER BY score_id
