-- Notes at each staged row that corrects one of the table the columns in which it differs; no row.
-- A staged row corrects the one that has its visit, time and code, if no other row has them, in the table or in the file: among several,
-- none can be told to be the one meant. A row with a recorded_at of its own is another record, not a correction.
-- EXISTS spares the join where the table is empty.
-- Parameters: given (array: the columns that the file has).
WITH compared AS (
    SELECT
        l.line,
        count(*) OVER (PARTITION BY l.line) AS rows_there,
        concat_ws(
            ', ',
            CASE WHEN o.client IS DISTINCT FROM l.client THEN 'client' END,
            CASE WHEN o.observation_value IS DISTINCT FROM l.observation_value THEN 'observation_value' END,
            CASE
                WHEN 'reference_range_min' = ANY (%(given)s) AND o.reference_range_min IS DISTINCT FROM l.reference_range_min
                    THEN 'reference_range_min'
            END,
            CASE
                WHEN 'reference_range_max' = ANY (%(given)s) AND o.reference_range_max IS DISTINCT FROM l.reference_range_max
                    THEN 'reference_range_max'
            END
        ) AS differs
    FROM pg_temp.loading_patient_observations AS l
    INNER JOIN public.patient_observations AS o
        ON o.visit_id = l.visit_id
        AND o.observation_date = l.observation_date
        AND o.observation_type_code = l.observation_type_code
        AND (l.recorded_at IS NULL OR o.recorded_at = l.recorded_at)
    WHERE EXISTS (SELECT FROM public.patient_observations)
),

alone AS (
    SELECT
        c.line,
        c.differs
    FROM compared AS c
    INNER JOIN pg_temp.loading_patient_observations AS l
        ON l.line = c.line
    WHERE c.rows_there = 1
        AND c.differs <> ''
        AND NOT EXISTS (
            SELECT
            FROM pg_temp.loading_patient_observations AS other
            WHERE other.visit_id = l.visit_id
                AND other.observation_date = l.observation_date
                AND other.observation_type_code = l.observation_type_code
                AND other.line <> l.line
        )
)

UPDATE pg_temp.loading_patient_observations AS l
SET differs = a.differs
FROM alone AS a
WHERE a.line = l.line
