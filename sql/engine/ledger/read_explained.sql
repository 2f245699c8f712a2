-- The score of an entity to explain, and how the entity stands now; one row.
-- The score is the current one, or that of the ledger with the key given; score_id is null where there is no such score. Where there is no
-- current one, taken_back says why the last one was recalled, by a person or by a run.
-- Parameters: job, entity_id, output, score_id (null: the current one).
SELECT
    c.status AS standing,
    c.reason AS standing_reason,
    t.why AS taken_back,
    s.score_id,
    s.status,
    s.reason,
    s.score,
    s.risk_band,
    s.label,
    s.outputs,
    s.attributes,
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
LEFT JOIN LATERAL (
    SELECT r.why
    FROM (
        SELECT l.score_id
        FROM scorer.scores AS l
        WHERE l.job = c.job
          AND l.entity_id = c.entity_id
          AND l.output = c.output
          AND l.status = 'SCORED'
          AND NOT l.shadow
          AND c.score_id IS NULL
        ORDER BY l.score_id DESC
        LIMIT 1
    ) AS n
    JOIN scorer.recalls AS r ON r.score_id = n.score_id
) AS t ON true
LEFT JOIN scorer.scores AS s
    ON s.job = :job
    AND s.entity_id = e.entity_id
    AND s.score_id = COALESCE(CAST(:score_id AS bigint), c.score_id)
