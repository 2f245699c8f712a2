-- Receives the rows of the file that can be read, one row per row of the file; columns in the order of tables.toml.
COPY pg_temp.loading_visits (
    line,
    visit_id,
    client,
    admitted_at,
    discharged_at,
    age_years,
    sex,
    unit,
    hours_before_icu
) FROM STDIN (ENCODING 'UTF8')
