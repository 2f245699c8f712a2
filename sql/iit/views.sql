-- The job's own reporting view: one row per patient who has a score, the newest. stale: past valid_until, do not act on it. status says how
-- the patient ended when last judged; where that is not SCORED, the score is an earlier one.
CREATE OR REPLACE VIEW reporting.iit_predictions AS
SELECT
    c.entity_id AS patient_uuid,
    c.score AS iit_risk_score,
    c.risk_band AS risk_level,
    GREATEST(c.score, 1 - c.score) AS confidence,
    c.scored_at AS prediction_timestamp,
    c.model_version,
    c.attributes ->> 'programme' AS programme,
    c.as_of,
    c.valid_until,
    c.stale,
    c.status
FROM reporting.current_scores AS c
WHERE c.job = 'iit'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.iit_predictions IS
'One row per patient who has a score: the probability that no contact follows within 180 days. confidence: the probability that the model gives to the likelier of the two, interruption or none. stale: past valid_until, do not act on it.';
GRANT SELECT ON reporting.iit_predictions TO scorer_worker, scorer_approver, scorer_reader;
