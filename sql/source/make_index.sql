-- Makes an index on the columns by which a job's source table is looked up, where it is missing.
-- Between the braces go the table and the columns.
CREATE INDEX IF NOT EXISTS {name} ON {relation} ({columns})
