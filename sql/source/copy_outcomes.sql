-- Receives the readable rows of the file; one row per row of the file.
-- The columns are in the order of tables.toml.
COPY pg_temp.loading_outcomes (
    line,
    visit_id,
    sepsis,
    onset_at
) FROM STDIN (ENCODING 'UTF8')
