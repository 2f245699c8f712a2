-- Deletes the staged rows that the table holds already, alike in every column of the file; no row.
-- Parameters: given (array: the columns that the file has).
DELETE FROM pg_temp.loading_outcomes AS l
USING public.outcomes AS o
WHERE o.visit_id = l.visit_id
    AND o.sepsis IS NOT DISTINCT FROM l.sepsis
    AND ('onset_at' <> ALL (%(given)s) OR o.onset_at IS NOT DISTINCT FROM l.onset_at)
