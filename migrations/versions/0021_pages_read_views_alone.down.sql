DROP VIEW reporting.daemons;
DROP FUNCTION reporting.psi(double precision [], bigint []);
DROP VIEW reporting.baselines;
DROP VIEW reporting.feature_counts;
DROP VIEW reporting.published_scores;
DROP VIEW reporting.batches;
