-- Deletes the staged rows that a job's table holds, alike in every column of the file; no row.
-- Between the braces goes the table's name.
DELETE FROM pg_temp.{staged}
WHERE differs_in = ''
