-- The job's own reporting view: one row per report that has a prediction, its newest. stale: past valid_until, do not act on it. status says
-- how the report ended when it was last judged; where that is not SCORED, the prediction is an earlier one.
CREATE INDEX IF NOT EXISTS current_scores_of_reports_of_symptoms ON scorer.current_scores (CAST(entity_id AS bigint)) WHERE job = 'symptoms';
CREATE OR REPLACE VIEW reporting.symptoms_predictions AS
SELECT
    CAST(c.entity_id AS bigint) AS report_id,
    CAST(c.attributes ->> 'woman' AS bigint) AS user_id,
    c.label AS predicted_class,
    c.score AS confidence,
    CAST(c.outputs ->> 'asthma' AS double precision) AS asthma_probability,
    CAST(c.outputs ->> 'COPD' AS double precision) AS copd_probability,
    CAST(c.outputs ->> 'heart' AS double precision) AS heart_probability,
    CAST(c.outputs ->> 'none' AS double precision) AS none_probability,
    c.risk_band AS risk_level,
    c.scored_at AS prediction_timestamp,
    c.model_version,
    c.as_of,
    c.valid_until,
    c.stale,
    c.status
FROM reporting.current_scores AS c
WHERE c.job = 'symptoms'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.symptoms_predictions IS 'One row per report that has a prediction. risk_level is by the probability of no condition: HIGH where it is low. confidence: the probability of predicted_class; mostly that is none, the most frequent: go by the probabilities. stale: past valid_until, do not act on it.';
GRANT SELECT ON reporting.symptoms_predictions TO scorer_worker, scorer_approver, scorer_reader;
