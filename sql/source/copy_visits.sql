-- Receives the readable rows of the file; one row per row of the file.
-- The columns are in the order of tables.toml.
COPY pg_temp.loading_visits (
    line,
    visit_id,
    client,
    admitted_at,
    discharged_at,
    age_years,
    sex,
    unit,
    facility,
    hours_before_icu
) FROM STDIN (ENCODING 'UTF8')
