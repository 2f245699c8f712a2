CREATE TABLE scorer.captured_changes (
    job text NOT NULL,
    entity_id text,
    observation_id text,
    changed_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX captured_changes_by_transaction ON scorer.captured_changes (job, changed_in);
COMMENT ON TABLE scorer.captured_changes IS 'Rows of the source tables that changed, captured by triggers where a site installed them: a daemon that keeps rows reads these anew.';
COMMENT ON COLUMN scorer.captured_changes.job IS 'Job whose inputs they are.';
COMMENT ON COLUMN scorer.captured_changes.entity_id IS 'Entity that the row is of; empty: all entities.';
COMMENT ON COLUMN scorer.captured_changes.observation_id IS 'The row; empty: all of the entity.';
COMMENT ON COLUMN scorer.captured_changes.changed_in IS 'Transaction that changed it.';
COMMENT ON COLUMN scorer.captured_changes.changed_at IS 'When that began.';
GRANT SELECT ON scorer.captured_changes TO scorer_worker;
