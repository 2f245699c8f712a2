-- Makes the table of observations as a hospital might have it, one row per recorded value.
-- It is for the demo, for tests and for trying things out. Nothing is refused here: nulls, NaN, unknown codes, duplicates and orphans are
-- for the scorer to judge.
CREATE TABLE public.patient_observations (
    observation_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    visit_id bigint,
    client text,
    observation_date timestamptz,
    observation_type_code text,
    observation_value double precision,
    reference_range_min double precision,
    reference_range_max double precision,
    recorded_at timestamptz DEFAULT now()
);

CREATE INDEX patient_observations_visit_id_observation_date_idx ON public.patient_observations (visit_id, observation_date);

COMMENT ON TABLE public.patient_observations IS 'Vital signs and laboratory results, one row per recorded value';
COMMENT ON COLUMN public.patient_observations.observation_id IS 'The recorded value, numbered by the database';
COMMENT ON COLUMN public.patient_observations.visit_id IS 'The visit that it belongs to';
COMMENT ON COLUMN public.patient_observations.client IS 'The patient, under the hospital''s own id';
COMMENT ON COLUMN public.patient_observations.observation_date IS 'When the value was true';
COMMENT ON COLUMN public.patient_observations.observation_type_code IS 'What was measured, such as HR or LACTATE';
COMMENT ON COLUMN public.patient_observations.observation_value IS 'What was seen, in the unit that its code implies';
COMMENT ON COLUMN public.patient_observations.reference_range_min IS 'The lowest value that counts as normal; empty where there is none';
COMMENT ON COLUMN public.patient_observations.reference_range_max IS 'The highest value that counts as normal; empty where there is none';
COMMENT ON COLUMN public.patient_observations.recorded_at IS 'When the database learnt the value';
