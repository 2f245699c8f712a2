-- Answers requests, in the transaction that scores: how the entity ended, and the ledger row that says so, which is the one staged just
-- now, or the one that stands; one row per request.
-- Parameters: job, output, run_id, request_ids, entity_ids, outcomes (arrays, one element per request).
UPDATE scorer.requests AS q
SET
    status = 'done',
    finished_at = clock_timestamp(),
    run_id = :run_id,
    outcome = a.outcome,
    score_id = CASE
        WHEN s.score_id IS NOT NULL THEN s.score_id
        WHEN a.outcome = 'UNCHANGED' THEN (
            SELECT c.score_id
            FROM scorer.current_scores AS c
            WHERE c.job = :job
              AND c.entity_id = a.entity_id
              AND c.output = :output
        )
        ELSE (
            SELECT max(l.score_id)
            FROM scorer.scores AS l
            WHERE l.job = :job
              AND l.entity_id = a.entity_id
              AND l.output = :output
              AND l.status = a.outcome
              AND NOT l.shadow
        )
    END
FROM unnest(CAST(:request_ids AS bigint []), CAST(:entity_ids AS text []), CAST(:outcomes AS text [])) AS a (request_id, entity_id, outcome)
LEFT JOIN pg_temp.staged_outcomes AS s ON s.entity_id = a.entity_id AND NOT s.shadow
WHERE q.request_id = a.request_id
RETURNING q.request_id
