-- Makes an index of a job's source table on the columns by which rows are looked up, where it is missing.
-- Between the braces go the table and the columns.
CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns})
