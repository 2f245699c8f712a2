-- Answers requests, in the transaction that scores: how each entity ended; one row per request.
-- One whose deadline has passed meanwhile is expired instead: it is never answered late, and the score stands as any other.
-- With an answer goes the ledger row that says so: the one staged just now, or the one that stands.
-- Parameters: job, output, run_id, request_ids, entity_ids, outcomes (arrays, one element per request).
UPDATE scorer.requests AS q
SET
    status = CASE WHEN q.expires_at < moment.at THEN 'expired' ELSE 'done' END,
    finished_at = moment.at,
    reason = CASE WHEN q.expires_at < moment.at THEN scorer.why_expired(q) END,
    run_id = CASE WHEN q.expires_at < moment.at THEN NULL ELSE CAST(:run_id AS bigint) END,
    outcome = CASE WHEN q.expires_at < moment.at THEN NULL ELSE a.outcome END,
    score_id = CASE WHEN q.expires_at < moment.at THEN NULL ELSE COALESCE(s.score_id, stands.score_id, l.score_id) END,
    run_began_at = CASE
        WHEN q.expires_at < moment.at THEN NULL
        WHEN s.score_id IS NOT NULL THEN (
            SELECT r.started_at
            FROM scorer.runs AS r
            WHERE r.run_id = :run_id
        )
        ELSE l.run_began_at
    END
FROM unnest(CAST(:request_ids AS bigint []), CAST(:entity_ids AS text []), CAST(:outcomes AS text [])) AS a (request_id, entity_id, outcome)
CROSS JOIN (SELECT clock_timestamp() AS at OFFSET 0) AS moment
LEFT JOIN pg_temp.staged_outcomes AS s ON s.entity_id = a.entity_id AND NOT s.shadow
LEFT JOIN scorer.current_scores AS stands
    ON stands.job = :job
    AND stands.entity_id = a.entity_id
    AND stands.output = :output
    AND s.score_id IS NULL
    AND a.outcome = 'UNCHANGED'
-- None, where it has left the ledger.
LEFT JOIN LATERAL (
    SELECT
        e.score_id,
        e.run_began_at
    FROM scorer.scores AS e
    WHERE s.score_id IS NULL
      AND e.job = :job
      AND e.entity_id = a.entity_id
      AND e.output = :output
      AND NOT e.shadow
      AND (e.score_id = stands.score_id OR e.status = a.outcome)
    ORDER BY e.score_id DESC
    LIMIT 1
) AS l ON true
WHERE q.request_id = a.request_id
RETURNING
    q.request_id,
    q.status
