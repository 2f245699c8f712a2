DROP VIEW reporting.features;
