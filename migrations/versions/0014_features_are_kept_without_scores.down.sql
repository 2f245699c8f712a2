DROP VIEW reporting.feature_vectors;
DROP TABLE scorer.feature_vectors;
