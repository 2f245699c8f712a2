-- Takes away what 0008 made, with all that it has kept.
DROP VIEW reporting.retrain_due;
DROP VIEW reporting.model_health;
DROP VIEW reporting.alerts;
DROP VIEW reporting.live_performance;
DROP VIEW reporting.checkups;
DROP VIEW reporting.drift;
DROP VIEW scorer.baselines;
DROP FUNCTION scorer.first_score_since(timestamptz);
DROP FUNCTION scorer.psi(double precision [], bigint []);
DROP TABLE scorer.alerts;
DROP TABLE scorer.live_performance;
DROP TABLE scorer.checkups;
DROP TABLE scorer.feature_counts;
DROP TABLE scorer.chores;
ALTER TABLE scorer.batches DROP COLUMN model_version;
DROP INDEX scorer.runs_by_model;
