-- Makes the schema of a job's source tables, where it is missing.
-- Between the braces goes its name.
CREATE SCHEMA IF NOT EXISTS {schema}
