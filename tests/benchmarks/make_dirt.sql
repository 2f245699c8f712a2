-- Makes one observation in so many break a rule, six rules in turn; the rows keep their places in the table.
-- Parameters: one_in.
CREATE TABLE public.spoilt AS
SELECT
    observation_id,
    visit_id,
    client,
    observation_date + CASE kind WHEN 0 THEN INTERVAL '365 days' WHEN 1 THEN -INTERVAL '365 days' ELSE INTERVAL '0' END AS observation_date,
    observation_type_code,
    CASE kind WHEN 2 THEN NULL WHEN 3 THEN 'NaN' WHEN 4 THEN 1000 * observation_value ELSE observation_value END AS observation_value,
    CASE WHEN kind = 5 THEN reference_range_max ELSE reference_range_min END AS reference_range_min,
    CASE WHEN kind = 5 THEN reference_range_min ELSE reference_range_max END AS reference_range_max,
    recorded_at
FROM (
    SELECT
        *,
        CASE WHEN mod(place, %(one_in)s) = 0 THEN mod(place / %(one_in)s, 6) END AS kind
    FROM (
        SELECT
            *,
            row_number() OVER (ORDER BY visit_id, observation_date) AS place
        FROM public.patient_observations
    ) AS placed
) AS o;

TRUNCATE public.patient_observations;

INSERT INTO public.patient_observations OVERRIDING SYSTEM VALUE
SELECT
    observation_id,
    visit_id,
    client,
    observation_date,
    observation_type_code,
    observation_value,
    reference_range_min,
    reference_range_max,
    recorded_at
FROM public.spoilt
ORDER BY observation_id;

DROP TABLE public.spoilt;

ANALYZE public.patient_observations
