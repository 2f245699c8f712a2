-- Makes a source table of a job as its tables.toml describes it, where it is missing.
-- Between the braces go its name, its columns with their types, and its key, if it has one.
CREATE TABLE IF NOT EXISTS {relation} (
    {columns}
)
