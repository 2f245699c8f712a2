-- Gives rows of the table the values of the staged ones; one row per set of columns.
-- It changes the columns that the file has, and says how many rows were changed in each set of columns.
-- Parameters: given (array: the columns that the file has).
WITH updated AS (
    UPDATE public.patient_observations AS o
    SET
        client = l.client,
        observation_value = l.observation_value,
        reference_range_min =
            CASE WHEN 'reference_range_min' = ANY (%(given)s) THEN l.reference_range_min ELSE o.reference_range_min END,
        reference_range_max =
            CASE WHEN 'reference_range_max' = ANY (%(given)s) THEN l.reference_range_max ELSE o.reference_range_max END
    FROM pg_temp.loading_patient_observations AS l
    WHERE o.visit_id = l.visit_id
        AND o.observation_date = l.observation_date
        AND o.observation_type_code = l.observation_type_code
        AND (l.recorded_at IS NULL OR o.recorded_at = l.recorded_at)
        AND l.differs <> ''
    RETURNING
        l.line,
        l.differs
),

settled AS (
    DELETE FROM pg_temp.loading_patient_observations AS l
    USING updated AS u
    WHERE u.line = l.line
)

SELECT
    differs,
    count(*) AS rows_changed
FROM updated
GROUP BY differs
ORDER BY differs
