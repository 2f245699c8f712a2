DROP VIEW reporting.job_switches;
DROP TABLE scorer.job_switches;
