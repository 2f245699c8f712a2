-- The score of an entity to explain, and how the entity stands now; one row.
-- The score is the current one, or that of the ledger with the key given; score_id is null where there is no such score.
-- Parameters: job, entity_id, output, score_id (null: the current one).
SELECT
    c.status AS standing,
    c.reason AS standing_reason,
    s.score_id,
    s.status,
    s.reason,
    s.score,
    s.risk_band,
    s.outputs,
    s.as_of,
    s.as_known_at,
    s.scored_at,
    s.model_version,
    s.job_version,
    s.input_hash,
    s.features,
    s.shadow
FROM (SELECT CAST(:entity_id AS text) AS entity_id) AS e
LEFT JOIN scorer.current_scores AS c
    ON c.job = :job
    AND c.entity_id = e.entity_id
    AND c.output = :output
LEFT JOIN scorer.scores AS s
    ON s.job = :job
    AND s.entity_id = e.entity_id
    AND s.score_id = COALESCE(CAST(:score_id AS bigint), c.score_id)
