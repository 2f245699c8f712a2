-- The current scores of entities, with what they were made of; one row per entity that has a score.
-- The hash tells whether their inputs are still the same; it is null where the score has left the ledger.
-- Parameters: job, output, entity_ids (array).
SELECT
    c.entity_id,
    c.as_of,
    s.as_known_at,
    s.input_hash,
    COALESCE(s.attributes, c.attributes) AS attributes
FROM scorer.current_scores AS c
LEFT JOIN scorer.scores AS s ON s.score_id = c.score_id
WHERE c.job = :job
  AND c.output = :output
  AND c.entity_id = ANY (CAST(:entity_ids AS text []))
  AND c.score_id IS NOT NULL
