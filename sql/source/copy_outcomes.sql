-- Receives the rows of the file that can be read, one row per row of the file; columns in the order of tables.toml.
COPY pg_temp.loading_outcomes (
    line,
    visit_id,
    sepsis,
    onset_at
) FROM STDIN (ENCODING 'UTF8')
