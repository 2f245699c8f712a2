-- A change of units is told: another kind of alert; and the values of categories that a job does not know are counted beside the codes. Locks
-- the alerts, a row per finding, for a moment.

ALTER TABLE scorer.alerts DROP CONSTRAINT alerts_kind_check;
ALTER TABLE scorer.alerts ADD CONSTRAINT alerts_kind_check
CHECK (kind IN ('drift', 'performance', 'new observation types', 'units', 'age', 'constant score'));
COMMENT ON COLUMN scorer.alerts.kind IS 'drift, performance, new observation types, units, age or constant score.';
COMMENT ON COLUMN scorer.batches.unknown_codes IS 'Observation type codes that the job does not know, with how many rows bore each; and values of its categories (category=value), with how many entities had each.';
