-- Gives rows of the table the values of the staged ones; one row per set of columns.
-- It changes the columns that the file has, in the rows that differ, and says how many rows were changed in each set of columns.
-- Parameters: given (array: the columns that the file has).
WITH updated AS (
    UPDATE public.visits AS v
    SET
        client = l.client,
        admitted_at = l.admitted_at,
        discharged_at = CASE WHEN 'discharged_at' = ANY (%(given)s) THEN l.discharged_at ELSE v.discharged_at END,
        age_years = CASE WHEN 'age_years' = ANY (%(given)s) THEN l.age_years ELSE v.age_years END,
        sex = CASE WHEN 'sex' = ANY (%(given)s) THEN l.sex ELSE v.sex END,
        unit = CASE WHEN 'unit' = ANY (%(given)s) THEN l.unit ELSE v.unit END,
        facility = CASE WHEN 'facility' = ANY (%(given)s) THEN l.facility ELSE v.facility END,
        hours_before_icu = CASE WHEN 'hours_before_icu' = ANY (%(given)s) THEN l.hours_before_icu ELSE v.hours_before_icu END
    FROM pg_temp.loading_visits AS l
    WHERE v.visit_id = l.visit_id
        AND l.differs <> ''
    RETURNING
        l.line,
        l.differs
),

settled AS (
    DELETE FROM pg_temp.loading_visits AS l
    USING updated AS u
    WHERE u.line = l.line
)

SELECT
    differs,
    count(*) AS rows_changed
FROM updated
GROUP BY differs
ORDER BY differs
