-- The observations of a run, as text; one row per observation.
COPY (
    SELECT
        visit_id,
        observation_id,
        observation_date,
        observation_type_code,
        observation_value,
        reference_range_min,
        reference_range_max
    FROM public.patient_observations
) TO STDOUT
