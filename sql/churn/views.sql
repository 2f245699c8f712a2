-- The job's own reporting view: one row per enrolment that has a score, its newest. It reads the program's own tables alone.
CREATE OR REPLACE VIEW reporting.churn_predictions AS
SELECT
    c.attributes ->> 'user_id' AS user_id,
    CAST(c.as_of AT TIME ZONE 'Europe/London' AS date) AS snapshot_date,
    c.score AS churn_risk,
    c.risk_band AS risk_level,
    GREATEST(c.score, 1 - c.score) AS confidence,
    c.entity_id AS enrolment_id,
    c.attributes ->> 'course_id' AS course_id,
    c.scored_at,
    c.valid_until,
    c.stale,
    c.status,
    c.model_version
FROM reporting.current_scores AS c
WHERE c.job = 'churn'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.churn_predictions IS 'One row per enrolment that has a score. churn_risk: probability that the learner leaves within 28 days of snapshot_date. confidence: the model''s probability of what is the likelier, leaving or staying. stale: past valid_until, do not act on it.';
GRANT SELECT ON reporting.churn_predictions TO scorer_worker, scorer_approver, scorer_reader;
