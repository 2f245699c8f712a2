-- Empties the source tables of a database that holds one delivery after the other.
-- Rows are numbered from 1 again.
-- Between the braces go the names of the tables.
TRUNCATE {tables} RESTART IDENTITY
