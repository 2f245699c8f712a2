-- The job's own reporting view: one row per woman who has a score, the newest. stale: past valid_until, do not act on it. status says how she
-- ended when last judged; where that is not SCORED, the score is an earlier one.
CREATE OR REPLACE VIEW reporting.pcos_predictions AS
SELECT
    c.entity_id AS user_id,
    c.score AS risk_score,
    c.risk_band AS risk_level,
    GREATEST(c.score, 1 - c.score) AS confidence,
    c.scored_at AS prediction_timestamp,
    c.model_version,
    c.as_of,
    c.valid_until,
    c.stale,
    c.status
FROM reporting.current_scores AS c
WHERE c.job = 'pcos'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.pcos_predictions IS
'One row per woman who has a score: the probability of biochemical hyperandrogenism, one criterion of PCOS and a proxy for it, not a diagnosis. confidence: the probability that the model gives to the likelier of the two, hyperandrogenism or none. stale: past valid_until, do not act on it.';
GRANT SELECT ON reporting.pcos_predictions TO scorer_worker, scorer_approver, scorer_reader;
