-- The job's own reporting view: one row per application that has a score, its newest. stale: past valid_until. It reads tables of scorer alone.
CREATE OR REPLACE VIEW reporting.transaction_predictions AS
SELECT
    c.entity_id,
    'TRANSACTION_TYPE' AS prediction_type,
    c.score AS predicted_value,
    c.label AS predicted_class,
    c.score AS confidence,
    (
        SELECT jsonb_agg(jsonb_build_object('feature_name', r.feature, 'contribution', r.contribution, 'value', r.value) ORDER BY r.rank)
        FROM reporting.score_reasons AS r
        WHERE r.score_id = c.score_id
          AND r.kind = 'feature'
    ) AS top_features,
    c.scored_at AS prediction_date,
    c.model_version,
    (
        SELECT 1000 * CAST(extract(EPOCH FROM b.finished_at - b.started_at) AS double precision) / b.eligible
        FROM scorer.scores AS s
        JOIN scorer.batches AS b ON b.batch_id = s.batch_id
        WHERE s.score_id = c.score_id
    ) AS latency_ms,
    c.risk_band,
    c.outputs - 'conformal' - 'unlike' AS probabilities,
    c.as_of,
    c.valid_until,
    c.stale,
    c.status
FROM reporting.current_scores AS c
WHERE c.job = 'transaction'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.transaction_predictions IS
'One row per application that has a score. predicted_class: the most probable of INVESTMENT, BUY, REFINANCE and IMPROVE_OR_OTHER. predicted_value and confidence: its probability. risk_band: by the probability of REFINANCE. latency_ms: of the batch, by entity. stale: past valid_until.';
GRANT SELECT ON reporting.transaction_predictions TO scorer_worker, scorer_approver, scorer_reader;
