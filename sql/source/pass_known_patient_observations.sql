-- Deletes the staged rows that the table holds already, alike in every column of the file; no row.
-- The COALESCE lines let the join be made by hashing, empty values included; the lines after them decide. A row without recorded_at was
-- given one when it was loaded, so only one that has it is compared by it.
-- Parameters: given (array: the columns that the file has).
DELETE FROM pg_temp.loading_patient_observations AS l
WHERE EXISTS (
    SELECT
    FROM public.patient_observations AS o
    WHERE COALESCE(o.visit_id, 0) = COALESCE(l.visit_id, 0)
        AND COALESCE(o.observation_date, '-infinity') = COALESCE(l.observation_date, '-infinity')
        AND COALESCE(o.observation_type_code, '') = COALESCE(l.observation_type_code, '')
        AND COALESCE(o.observation_value, 0) = COALESCE(l.observation_value, 0)
        AND o.visit_id IS NOT DISTINCT FROM l.visit_id
        AND o.client IS NOT DISTINCT FROM l.client
        AND o.observation_date IS NOT DISTINCT FROM l.observation_date
        AND o.observation_type_code IS NOT DISTINCT FROM l.observation_type_code
        AND o.observation_value IS NOT DISTINCT FROM l.observation_value
        AND ('reference_range_min' <> ALL (%(given)s) OR o.reference_range_min IS NOT DISTINCT FROM l.reference_range_min)
        AND ('reference_range_max' <> ALL (%(given)s) OR o.reference_range_max IS NOT DISTINCT FROM l.reference_range_max)
        AND (l.recorded_at IS NULL OR o.recorded_at = l.recorded_at)
)
