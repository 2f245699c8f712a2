-- Receives the readable rows of a job's file; one row per row of the file.
-- Between the braces go the table's name and the columns, in the order of the job's tables.toml.
COPY pg_temp.{staged} (
    line_of_file,
    {columns}
) FROM STDIN (ENCODING 'UTF8')
