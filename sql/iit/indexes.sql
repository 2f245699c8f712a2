-- Indexes by which a run finds a patient's contacts, where the programme's tables have none such. `scorer load --job iit` makes its own.
-- For the tables' owner to run by hand; nothing is locked against reading or writing meanwhile:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
CREATE INDEX CONCURRENTLY IF NOT EXISTS iit_visits_of_patients_idx ON iit.visits (patient_uuid, visit_date);
CREATE INDEX CONCURRENTLY IF NOT EXISTS iit_obs_of_patients_idx ON iit.obs (patient_uuid, obs_date);
