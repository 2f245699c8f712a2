-- Inserts the rows that are left, in the order of the file; one row per observation.
-- Where the file does not say when the database learnt a value, that is taken to be when it was true, or now where that is empty too.
INSERT INTO public.patient_observations (
    visit_id,
    client,
    observation_date,
    observation_type_code,
    observation_value,
    reference_range_min,
    reference_range_max,
    recorded_at
)
SELECT
    visit_id,
    client,
    observation_date,
    observation_type_code,
    observation_value,
    reference_range_min,
    reference_range_max,
    COALESCE(recorded_at, observation_date, now())
FROM pg_temp.loading_patient_observations
ORDER BY line
