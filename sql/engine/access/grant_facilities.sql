-- Has a login see facilities; one row: how many it did not see by such a grant before.
-- Parameters: login, facilities (array; null: all), job (null: all), is_new (whether a facility may be one that nothing is of).
SELECT scorer.grant_facilities(:login, CAST(:facilities AS text []), :job, :is_new) AS granted
