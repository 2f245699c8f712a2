-- Whatever a run looks for is found by an index, however much history there is. What building them locks is in migrations/locks.toml.

-- Whoever has no score, by what could change that. Of these columns only the status changes from one judgement to the next, and mostly it
-- does not: renewing an outcome touches no index, as before.
CREATE INDEX current_scores_without_score ON scorer.current_scores (job, output, status, judged_by_job, judged_by_model, entity_id)
WHERE status <> 'SCORED';

CREATE INDEX rejections_of_nobody ON scorer.rejections (job, entity_id) WHERE resolved_at IS NULL AND rule = 'entity_exists';

CREATE INDEX runs_known_otherwise ON scorer.runs (job, run_id) WHERE as_known_at <> as_of;
ALTER TABLE scorer.runs ADD COLUMN swept boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN scorer.runs.swept IS 'Whether it looked at everyone and took all who were due; a run that is no sweep looks at whoever may have become due since one was.';
CREATE INDEX runs_swept ON scorer.runs (job, run_id) WHERE swept;
