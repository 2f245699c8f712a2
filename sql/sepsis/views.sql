-- The job's own reporting view: one row per visit that has a score, its newest. stale: past valid_until, do not act on it. status says how
-- the visit ended when it was last judged; where that is not SCORED, the score is an earlier one. The index finds a visit by its number:
-- nobody writes scores while it is built, once, for some seconds per million visits.
CREATE INDEX IF NOT EXISTS current_scores_of_visits ON scorer.current_scores (CAST(entity_id AS bigint)) WHERE job = 'sepsis';
CREATE OR REPLACE VIEW reporting.sepsis_predictions AS
SELECT
    CAST(c.entity_id AS bigint) AS visit_id,
    c.attributes ->> 'client' AS client,
    c.score AS sepsis_probability,
    c.risk_band AS risk_level,
    c.scored_at,
    c.model_version,
    c.as_of,
    c.valid_until,
    c.stale,
    c.status
FROM reporting.current_scores AS c
WHERE c.job = 'sepsis'
  AND c.score IS NOT NULL;
COMMENT ON VIEW reporting.sepsis_predictions IS 'One row per visit that has a score. stale: past valid_until, do not act on it.';
GRANT SELECT ON reporting.sepsis_predictions TO scorer_worker, scorer_approver, scorer_reader;
