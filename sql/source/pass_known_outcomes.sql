-- Passes over the rows that are already there, the same in every column that the file has; deletes one row per row passed over.
-- Parameters: given, the columns that the file has.
DELETE FROM pg_temp.loading_outcomes AS l
USING public.outcomes AS o
WHERE o.visit_id = l.visit_id
    AND o.sepsis IS NOT DISTINCT FROM l.sepsis
    AND ('onset_at' <> ALL (%(given)s) OR o.onset_at IS NOT DISTINCT FROM l.onset_at)
