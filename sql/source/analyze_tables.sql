-- Analyzes what was loaded of a job, so that the statements that read it are planned for its size.
-- Between the braces go the names of its tables.
ANALYZE
    {tables}
