-- Makes the table in which the file's rows wait until it is known which of them can be loaded.
-- Its types are those of the table to load. line: in the file. differs: in which columns it differs from the row that is there.
CREATE TEMPORARY TABLE loading_patient_observations ON COMMIT DROP AS
SELECT
    0::bigint AS line,
    NULL::text AS differs,
    visit_id,
    client,
    observation_date,
    observation_type_code,
    observation_value,
    reference_range_min,
    reference_range_max,
    recorded_at
FROM public.patient_observations
WITH NO DATA
