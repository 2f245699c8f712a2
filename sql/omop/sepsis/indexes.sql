-- Lets a run find the stays that may be due, and their measurements, without reading the CDM's tables whole. For their owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
-- Nothing is locked against reading or writing meanwhile. An index that a broken connection leaves INVALID: drop it, and run this again.
-- Without them all is found as well, only slower: every batch reads all measurements. A load that drops and makes tables drops these, too.
-- The first is that of the CDM's own index script, under its name; so is the second, but for its table. The third is by the end as due.sql
-- has it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_measurement_visit_id_1 ON cdm.measurement (visit_occurrence_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_visit_det_occ_id ON cdm.visit_detail (visit_occurrence_id);
CREATE INDEX CONCURRENTLY IF NOT EXISTS visit_occurrence_end_idx ON cdm.visit_occurrence
((COALESCE(visit_end_datetime, visit_end_date + 1)));
