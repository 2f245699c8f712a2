-- Deletes the staged rows that the table holds already, alike in every column of the file; no row.
DELETE FROM pg_temp.loading_visits
WHERE differs = ''
