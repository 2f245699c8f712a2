-- Deletes the staged rows that the table holds already, alike in every column of the file; no row.
-- Arrays are equal where both hold NULL: they let the join be made by hashing, empty values included, whatever the types. A row
-- without recorded_at was given one when it was loaded, so only one that has it is compared by it.
-- The first EXISTS spares the join where the table is empty.
-- Parameters: given (array: the columns that the file has).
DELETE FROM pg_temp.loading_patient_observations AS l
WHERE EXISTS (SELECT FROM public.patient_observations)
    AND EXISTS (
        SELECT
        FROM public.patient_observations AS o
        WHERE ARRAY[o.visit_id] = ARRAY[l.visit_id]
            AND ARRAY[o.observation_date] = ARRAY[l.observation_date]
            AND ARRAY[o.observation_type_code] = ARRAY[l.observation_type_code]
            AND ARRAY[o.observation_value] = ARRAY[l.observation_value]
            AND o.client IS NOT DISTINCT FROM l.client
            AND ('reference_range_min' <> ALL (%(given)s) OR o.reference_range_min IS NOT DISTINCT FROM l.reference_range_min)
            AND ('reference_range_max' <> ALL (%(given)s) OR o.reference_range_max IS NOT DISTINCT FROM l.reference_range_max)
            AND (l.recorded_at IS NULL OR o.recorded_at = l.recorded_at)
    )
