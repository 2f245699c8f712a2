-- Takes away who is looked for, and what a worker needs to take a score back. What was taken back stays so.

DROP FUNCTION scorer.withdraw_scores(text, text, boolean, text [], text []);
DROP VIEW reporting.score_history;
CREATE VIEW reporting.score_history AS
SELECT
    s.job,
    s.entity_id,
    s.output,
    s.status,
    s.reason,
    s.score,
    s.risk_band,
    s.label,
    s.outputs,
    s.attributes,
    s.as_of,
    s.scored_at,
    s.valid_until,
    COALESCE(s.valid_until <= now() OR s.scored_at > clock_timestamp(), false) AS stale,
    s.model_version,
    s.score_id,
    s.run_id,
    s.job_version,
    s.shadow,
    s.status = 'SCORED' AND NOT s.shadow AND c.score_id IS DISTINCT FROM s.score_id
    AND NOT (c.score_id IS NULL AND COALESCE(r.was_current, false)) AS superseded,
    r.score_id IS NOT NULL AS recalled
FROM scorer.scores AS s
LEFT JOIN scorer.current_scores AS c USING (job, entity_id, output)
LEFT JOIN scorer.recalls AS r ON r.score_id = s.score_id;
COMMENT ON VIEW reporting.score_history IS 'One row per ledger entry. superseded: a newer score has taken its place; recalled: entered in error.';
GRANT SELECT ON reporting.score_history TO scorer_worker, scorer_approver, scorer_reader;
COMMENT ON TABLE scorer.recalls IS 'Scores entered in error: one row each, beside the ledger, which keeps them.';
COMMENT ON COLUMN scorer.recalls.recall_id IS 'The recall that it was a part of.';
COMMENT ON COLUMN scorer.recalls.why IS 'The reason given.';
COMMENT ON VIEW reporting.recalls IS 'One row per recalled score; of one that was current, the outcome that took its place, and whether the band changed. stands_in_source: it, or a newer one, still has to be put right in the hospital''s own table.';
COMMENT ON COLUMN scorer.current_scores.attributes IS 'Attributes that the job publishes.';
DROP INDEX scorer.current_scores_looked_for;
ALTER TABLE scorer.current_scores DROP COLUMN looked_for;
