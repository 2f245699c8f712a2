-- The job's own reporting view: one row per parcel that has a value, its newest. stale: past valid_until. It reads tables of scorer alone.
CREATE OR REPLACE VIEW reporting.value_predictions AS
SELECT
    c.entity_id,
    'PROPERTY_VALUE' AS prediction_type,
    c.score AS predicted_value,
    c.risk_band AS predicted_class,
    CAST(c.outputs ->> 'coverage' AS double precision) AS confidence,
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
    CAST(c.outputs ->> 'low' AS double precision) AS predicted_low,
    CAST(c.outputs ->> 'high' AS double precision) AS predicted_high,
    c.as_of,
    c.valid_until,
    c.stale,
    c.status
FROM reporting.current_scores AS c
WHERE c.job = 'value'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.value_predictions IS
'One row per parcel that has a value, in dollars. confidence: the coverage of the interval, the share of prices that lie between predicted_low and predicted_high. predicted_class: the band of the value. latency_ms: of the batch, by entity. stale: past valid_until.';
GRANT SELECT ON reporting.value_predictions TO scorer_worker, scorer_approver, scorer_reader;
