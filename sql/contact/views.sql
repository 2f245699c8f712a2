-- The job's own reporting view: one row per person whose slots are scored: the best slot of the week ahead, and every slot's probability.
-- It reads the program's own tables alone.
CREATE OR REPLACE VIEW reporting.contact_predictions AS
WITH slots AS (
    SELECT
        c.attributes ->> 'person_id' AS person_id,
        c.attributes ->> 'slot' AS slot,
        c.score,
        c.score_id,
        c.as_of,
        c.scored_at,
        c.valid_until,
        c.stale,
        c.status,
        c.model_version,
        row_number() OVER person AS place,
        jsonb_object_agg(c.attributes ->> 'slot', c.score) OVER (PARTITION BY c.attributes ->> 'person_id') AS outputs
    FROM reporting.current_scores AS c
    WHERE c.job = 'contact'
      AND c.score IS NOT NULL
    WINDOW person AS (PARTITION BY c.attributes ->> 'person_id' ORDER BY c.stale, c.score DESC, c.attributes ->> 'slot')
)

SELECT
    s.person_id AS entity_id,
    'CONTACT_TIMING' AS prediction_type,
    s.score AS predicted_value,
    s.slot AS predicted_class,
    s.score AS confidence,
    (
        SELECT jsonb_agg(
            jsonb_build_object('feature_name', r.feature, 'contribution', r.contribution, 'value', r.value) ORDER BY r.rank
        )
        FROM reporting.score_reasons AS r
        WHERE r.score_id = s.score_id
          AND r.kind = 'feature'
    ) AS top_features,
    s.scored_at AS prediction_date,
    s.model_version,
    (
        SELECT 1000 * CAST(EXTRACT(EPOCH FROM b.finished_at - b.started_at) AS double precision) / b.eligible
        FROM scorer.scores AS l
        JOIN scorer.batches AS b ON b.batch_id = l.batch_id
        WHERE l.score_id = s.score_id
    ) AS latency_ms,
    s.outputs,
    s.as_of,
    s.valid_until,
    s.stale,
    s.status
FROM slots AS s
WHERE s.place = 1;
COMMENT ON VIEW reporting.contact_predictions IS 'One row per person: predicted_class is the best slot of the week ahead, outputs the probability of each slot to be answered within 15 minutes. confidence: the model''s probability of what is published, that of the best slot. latency_ms: of the batch, by slot. stale: past valid_until, do not act on it. status: how the slot ended when last judged; where that is not SCORED, its score is an earlier one.';
GRANT SELECT ON reporting.contact_predictions TO scorer_worker, scorer_approver, scorer_reader;
