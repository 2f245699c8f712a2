-- What an hour brings to a ward: eight observations for each stay; for one in fifty a late one, and for one in a hundred one that is charted
-- ahead and not known before the next hour; of the rows that are there, some are edited and some deleted.
-- Parameters: hour (a number from 1), as_of (its end).
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
    v.visit_id,
    v.client,
    CAST(%(as_of)s AS timestamptz) + w.dated + v.visit_id * INTERVAL '1 millisecond',
    c.code,
    c.mean * (0.92 + 0.16 * (hashint8extended(v.visit_id * 1000 + w.i, %(hour)s + 1) & 1048575) / 1048576),
    c.low,
    c.high,
    CAST(%(as_of)s AS timestamptz) + w.recorded
FROM (
    SELECT
        i,
        1 AS each,
        i * INTERVAL '450 seconds' - INTERVAL '1 hour 1 minute' AS dated,
        i * INTERVAL '450 seconds' - INTERVAL '1 hour' AS recorded
    FROM generate_series(1, 8) AS i
    UNION ALL
    SELECT 9, 50, INTERVAL '-10 hours 3 minutes 7 seconds', INTERVAL '-5 minutes'
    UNION ALL
    SELECT 10, 100, INTERVAL '9 minutes 11 seconds', INTERVAL '10 minutes'
) AS w
JOIN public.visits AS v ON mod(v.visit_id + %(hour)s, w.each) = 0
JOIN (
    VALUES
    (0, 'HR', 76.0, 60.0, 100.0),
    (1, 'SBP', 122.0, 90.0, 140.0),
    (2, 'MAP', 85.0, 70.0, 105.0),
    (3, 'RR', 15.0, 12.0, 20.0),
    (4, 'SPO2', 92.0, 95.0, 100.0),
    (5, 'TEMP', 36.9, 36.1, 37.8),
    (6, 'DBP', 65.0, 60.0, 90.0),
    (7, 'GLUCOSE', 105.0, 70.0, 140.0),
    (8, 'LACTATE', 1.2, 0.5, 2.0),
    (9, 'WBC', 7.5, 4.5, 11.0)
) AS c (place, code, mean, low, high) ON c.place = mod(w.i + v.visit_id + 8 * %(hour)s, 10)
ORDER BY w.i, v.visit_id;

UPDATE public.patient_observations
SET observation_value = observation_value * 0.97
WHERE mod(observation_id, 6007) = %(hour)s;

DELETE FROM public.patient_observations
WHERE mod(observation_id, 6011) = %(hour)s
