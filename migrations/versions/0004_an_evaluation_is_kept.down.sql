DROP VIEW reporting.evaluation_figures;
DROP VIEW reporting.evaluations;
DROP TABLE scorer.evaluation_figures;
DROP TABLE scorer.evaluations;
