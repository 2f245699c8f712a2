DELETE FROM scorer.alerts WHERE kind = 'units';
ALTER TABLE scorer.alerts DROP CONSTRAINT alerts_kind_check;
ALTER TABLE scorer.alerts ADD CONSTRAINT alerts_kind_check
CHECK (kind IN ('drift', 'performance', 'new observation types', 'age', 'constant score'));
COMMENT ON COLUMN scorer.alerts.kind IS 'drift, performance, new observation types, age or constant score.';
COMMENT ON COLUMN scorer.batches.unknown_codes IS 'Observation type codes that the job does not know, with how many rows bore each.';
