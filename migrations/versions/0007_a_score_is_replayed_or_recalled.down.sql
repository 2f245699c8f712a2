-- Takes away replays, what recalls were made of, and the moments as known at. The ledger stays, and which scores were recalled; entities
-- whose score was recalled and not made anew are as if never judged, so that the next run does it.

-- Refused while a recalled score may still stand in the hospital's own tables: nothing else knows of it.
LOCK TABLE scorer.recalls, scorer.current_scores, scorer.write_backs;
DO $$
BEGIN
    IF EXISTS (SELECT FROM scorer.write_backs AS w WHERE w.recalled) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'SC001',
            MESSAGE = 'recalled scores may still stand in the hospital''s own tables, and only scorer.write_backs (recalled) says where; '
                || 'let a run write or empty those rows, or mend them by hand and delete their entries, before the schema goes back to 0006';
    END IF;
END
$$;

DROP VIEW reporting.recalls;
DROP VIEW reporting.recall_events;
DROP FUNCTION scorer.recall_scores(text, text, text, text, timestamptz, timestamptz, boolean, boolean);
DROP FUNCTION scorer.share_with_recalls(text, text, text, timestamptz);
ALTER TABLE scorer.write_backs DROP COLUMN recalled;
COMMENT ON COLUMN scorer.write_backs.entity_id IS 'Entity whose newest score waits.';
COMMENT ON TABLE scorer.write_backs IS 'Scores that wait to be written back, because somebody held the row: one row per entity, gone once it is written, or the score is stale.';
CREATE OR REPLACE VIEW reporting.score_history AS
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
    s.status = 'SCORED' AND NOT s.shadow AND c.score_id IS DISTINCT FROM s.score_id AS superseded,
    r.score_id IS NOT NULL AS recalled
FROM scorer.scores AS s
LEFT JOIN scorer.current_scores AS c USING (job, entity_id, output)
LEFT JOIN scorer.recalls AS r ON r.score_id = s.score_id;
DROP TRIGGER recalls_no_truncate ON scorer.recalls;
DROP TRIGGER recalls_append_only ON scorer.recalls;
ALTER TABLE scorer.recalls
    DROP COLUMN was_current,
    DROP COLUMN recall_id;
DROP TABLE scorer.recall_events;
DROP FUNCTION scorer.refuse_trial();
DROP VIEW reporting.replays;
DROP TABLE scorer.replays;
COMMENT ON COLUMN scorer.current_scores.status IS 'How it ended when it was last judged.';
DELETE FROM scorer.current_scores WHERE status = 'RECALLED';
ALTER TABLE scorer.current_scores
    DROP COLUMN status_known_at,
    DROP CONSTRAINT current_scores_status_check,
    ADD CONSTRAINT current_scores_status_check CHECK (
        status IN ('SCORED', 'QUARANTINED', 'INSUFFICIENT', 'INDETERMINATE', 'FAILED')
    );
ALTER TABLE scorer.work DROP COLUMN as_known_at;
