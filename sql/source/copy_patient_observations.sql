-- Receives the readable rows of the file; one row per row of the file.
-- The columns are in the order of tables.toml.
COPY pg_temp.loading_patient_observations (
    line,
    visit_id,
    client,
    observation_date,
    observation_type_code,
    observation_value,
    reference_range_min,
    reference_range_max,
    recorded_at
) FROM STDIN (ENCODING 'UTF8')
