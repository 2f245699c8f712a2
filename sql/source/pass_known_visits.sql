-- Deletes the staged rows that the table holds already, alike in every column of the file; no row.
-- Parameters: given (array: the columns that the file has).
DELETE FROM pg_temp.loading_visits AS l
USING public.visits AS v
WHERE v.visit_id = l.visit_id
    AND v.client IS NOT DISTINCT FROM l.client
    AND v.admitted_at IS NOT DISTINCT FROM l.admitted_at
    AND ('discharged_at' <> ALL (%(given)s) OR v.discharged_at IS NOT DISTINCT FROM l.discharged_at)
    AND ('age_years' <> ALL (%(given)s) OR v.age_years IS NOT DISTINCT FROM l.age_years)
    AND ('sex' <> ALL (%(given)s) OR v.sex IS NOT DISTINCT FROM l.sex)
    AND ('unit' <> ALL (%(given)s) OR v.unit IS NOT DISTINCT FROM l.unit)
    AND ('hours_before_icu' <> ALL (%(given)s) OR v.hours_before_icu IS NOT DISTINCT FROM l.hours_before_icu)
