-- Ledger rows with all that is needed to compute them again; one row per key that is there.
-- flags: those of the job as their batch read them; null where none was set, or the batch has left the database.
-- Parameters: score_ids (array of keys).
SELECT
    s.score_id,
    s.job,
    s.entity_id,
    s.status,
    s.reason,
    s.score,
    s.risk_band,
    s.label,
    s.outputs,
    s.attributes,
    s.as_of,
    s.as_known_at,
    s.input_hash,
    s.features,
    s.model_version,
    s.job_version,
    s.shadow,
    b.flags
FROM scorer.scores AS s
LEFT JOIN scorer.batches AS b ON b.batch_id = s.batch_id
WHERE s.score_id = ANY (CAST(:score_ids AS bigint []))
ORDER BY s.score_id
