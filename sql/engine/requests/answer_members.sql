-- Records how entities of a cohort ended, and how far that brings it; one row: its status.
-- It is done in the transaction that scores.
-- A cohort of which all have ended is done. One whose deadline has passed meanwhile is expired, and none of these is recorded: nothing is
-- answered late, and the scores stand as any others. What another session has recorded is not recorded again.
-- Parameters: job, output, request_id, entity_ids, outcomes, reasons (arrays, one element per entity).
WITH moment AS MATERIALIZED (
    SELECT
        m.at,
        COALESCE(q.expires_at < m.at, false) AS late
    FROM scorer.requests AS q
    CROSS JOIN (SELECT clock_timestamp() AS at OFFSET 0) AS m
    WHERE q.request_id = :request_id
),

ended AS (
    UPDATE scorer.request_entities AS m
    SET
        outcome = a.outcome,
        reason = a.reason,
        score_id = COALESCE(s.score_id, stands.score_id),
        answered_at = moment.at
    FROM unnest(CAST(:entity_ids AS text []), CAST(:outcomes AS text []), CAST(:reasons AS text [])) AS a (entity_id, outcome, reason)
    CROSS JOIN moment
    LEFT JOIN pg_temp.staged_outcomes AS s ON s.entity_id = a.entity_id AND NOT s.shadow
    LEFT JOIN scorer.current_scores AS stands
        ON stands.job = :job
        AND stands.entity_id = a.entity_id
        AND stands.output = :output
        AND s.score_id IS NULL
        AND a.outcome = 'UNCHANGED'
    WHERE m.request_id = :request_id
      AND m.entity_id = a.entity_id
      AND m.outcome IS NULL
      AND NOT moment.late
    RETURNING m.outcome
),

more AS (
    SELECT
        count(*) AS answered,
        count(*) FILTER (WHERE e.outcome IN ('SCORED', 'UNCHANGED')) AS scored,
        count(*) FILTER (WHERE e.outcome IN ('FAILED', 'REFUSED')) AS failed,
        count(*) FILTER (WHERE e.outcome = 'ABSENT') AS absent
    FROM ended AS e
)

UPDATE scorer.requests AS q
SET
    answered = q.answered + more.answered,
    scored = q.scored + more.scored,
    failed = q.failed + more.failed,
    absent = q.absent + more.absent,
    status = CASE
        WHEN moment.late THEN 'expired'
        WHEN q.answered + more.answered = q.entities THEN 'done'
        ELSE 'waiting'
    END,
    finished_at = CASE WHEN moment.late OR q.answered + more.answered = q.entities THEN moment.at END,
    reason = CASE WHEN moment.late THEN scorer.why_expired(q) END
FROM moment
CROSS JOIN more
WHERE q.request_id = :request_id
  AND q.status = 'waiting'
RETURNING q.status
