-- The job's own reporting view: one row per user who has a prediction, her newest. stale: past valid_until, do not show it. status says how
-- the user ended when she was last judged; where that is not SCORED, the prediction is an earlier one.
CREATE INDEX IF NOT EXISTS current_scores_of_users_of_cycle ON scorer.current_scores (CAST(entity_id AS bigint)) WHERE job = 'cycle';
CREATE OR REPLACE VIEW reporting.cycle_predictions AS
SELECT
    CAST(c.entity_id AS bigint) AS user_id,
    c.score AS predicted_length_days,
    CAST(c.outputs ->> 'low' AS double precision) AS low_days,
    CAST(c.outputs ->> 'high' AS double precision) AS high_days,
    CAST(c.outputs ->> 'coverage' AS double precision) AS confidence,
    c.risk_band AS cycle_category,
    CAST(c.attributes ->> 'cycle_began_on' AS date) AS cycle_began_on,
    CAST(c.attributes ->> 'cycle_began_on' AS date) + CAST(round(c.score) AS integer) AS next_period_on,
    c.scored_at AS prediction_timestamp,
    c.model_version,
    c.as_of,
    c.valid_until,
    c.stale,
    c.status
FROM reporting.current_scores AS c
WHERE c.job = 'cycle'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.cycle_predictions IS 'One row per user who has a prediction of the cycle that runs at as_of. confidence: the coverage of the interval, the share of lengths that lie between low_days and high_days. stale: past valid_until, do not show it.';
GRANT SELECT ON reporting.cycle_predictions TO scorer_worker, scorer_approver, scorer_reader;
