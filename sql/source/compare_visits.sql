-- Notes at each staged row whose visit_id is there the columns in which it differs; no row.
-- Columns that the file lacks are not compared. The names are separated by commas; none: alike in all.
-- Parameters: given (array: the columns that the file has).
UPDATE pg_temp.loading_visits AS l
SET differs = concat_ws(
    ', ',
    CASE WHEN v.client IS DISTINCT FROM l.client THEN 'client' END,
    CASE WHEN v.admitted_at IS DISTINCT FROM l.admitted_at THEN 'admitted_at' END,
    CASE WHEN 'discharged_at' = ANY (%(given)s) AND v.discharged_at IS DISTINCT FROM l.discharged_at THEN 'discharged_at' END,
    CASE WHEN 'age_years' = ANY (%(given)s) AND v.age_years IS DISTINCT FROM l.age_years THEN 'age_years' END,
    CASE WHEN 'sex' = ANY (%(given)s) AND v.sex IS DISTINCT FROM l.sex THEN 'sex' END,
    CASE WHEN 'unit' = ANY (%(given)s) AND v.unit IS DISTINCT FROM l.unit THEN 'unit' END,
    CASE WHEN 'facility' = ANY (%(given)s) AND v.facility IS DISTINCT FROM l.facility THEN 'facility' END,
    CASE WHEN 'hours_before_icu' = ANY (%(given)s) AND v.hours_before_icu IS DISTINCT FROM l.hours_before_icu THEN 'hours_before_icu' END
)
FROM public.visits AS v
WHERE v.visit_id = l.visit_id
