-- Stays that last, with 400 observations each, eight an hour: what a ward has at the beginning of a day.
-- Parameters: visits, observations.
INSERT INTO public.visits (visit_id, client, admitted_at, age_years, sex, unit, hours_before_icu)
SELECT
    n,
    'B' || n,
    TIMESTAMPTZ '2025-06-01T00:00:00Z' - %(observations)s * INTERVAL '450 seconds' - INTERVAL '1 hour',
    20 + mod(n, 70),
    CASE WHEN mod(n, 2) = 0 THEN 'F' ELSE 'M' END,
    CASE WHEN mod(n, 3) = 0 THEN 'MICU' WHEN mod(n, 3) = 1 THEN 'SICU' END,
    mod(n, 50)
FROM generate_series(1, %(visits)s) AS n;

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
    v.admitted_at + i * INTERVAL '450 seconds' + v.visit_id * INTERVAL '1 millisecond',
    c.code,
    c.mean * (0.92 + 0.16 * (hashint8extended(v.visit_id * 1000 + i, 1) & 1048575) / 1048576),
    c.low,
    c.high,
    v.admitted_at + i * INTERVAL '450 seconds' + INTERVAL '1 minute'
FROM generate_series(1, %(observations)s) AS i
CROSS JOIN public.visits AS v
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
) AS c (place, code, mean, low, high) ON c.place = mod(i + v.visit_id, 10)
ORDER BY i, v.visit_id;

ANALYZE public.visits;

ANALYZE public.patient_observations
