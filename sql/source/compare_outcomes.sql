-- Notes at each staged row whose visit_id is there the columns in which it differs; no row.
-- Columns that the file lacks are not compared. The names are separated by commas; none: alike in all.
-- Parameters: given (array: the columns that the file has).
UPDATE pg_temp.loading_outcomes AS l
SET differs = concat_ws(
    ', ',
    CASE WHEN o.sepsis IS DISTINCT FROM l.sepsis THEN 'sepsis' END,
    CASE WHEN 'onset_at' = ANY (%(given)s) AND o.onset_at IS DISTINCT FROM l.onset_at THEN 'onset_at' END
)
FROM public.outcomes AS o
WHERE o.visit_id = l.visit_id
