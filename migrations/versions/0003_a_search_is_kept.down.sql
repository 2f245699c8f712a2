-- Takes away searches and what they tried. Models stay.

DROP VIEW reporting.trials;
DROP VIEW reporting.experiments;
DROP TABLE scorer.trials;
DROP TABLE scorer.experiments;
