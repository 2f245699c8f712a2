-- Takes away replays, what recalls were made of, and the moments as known at. The ledger stays, and which scores were recalled; entities
-- whose score was recalled and not made anew are as if never judged, so that the next run does it.

DROP VIEW reporting.recalls;
DROP VIEW reporting.recall_events;
DROP FUNCTION scorer.recall_scores(text, text, text, text, timestamptz, timestamptz, boolean, boolean);
DROP FUNCTION scorer.share_with_recalls(text, text, text, timestamptz);
DELETE FROM scorer.write_backs AS w
USING scorer.current_scores AS c
WHERE c.job = w.job
  AND c.entity_id = w.entity_id
  AND c.score IS NULL;
COMMENT ON COLUMN scorer.write_backs.entity_id IS 'Entity whose newest score waits.';
COMMENT ON TABLE scorer.write_backs IS 'Scores that wait to be written back, because somebody held the row: one row per entity, gone once it is written, or the score is stale.';
DROP TRIGGER recalls_no_truncate ON scorer.recalls;
DROP TRIGGER recalls_append_only ON scorer.recalls;
ALTER TABLE scorer.recalls
    DROP COLUMN was_current,
    DROP COLUMN recall_id;
DROP TABLE scorer.recall_events;
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
