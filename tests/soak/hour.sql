-- What happens in an intensive care unit in one hour: admissions, charting (some of it late, some of it broken), discharges; no row.
-- Parameters: now, seed (both repeated: a plain text is filled in by whoever runs it).
SELECT setseed(%(seed)s);

INSERT INTO public.visits (visit_id, client, admitted_at, age_years, sex, unit, hours_before_icu)
SELECT
    n.newest + g,
    'C' || (n.newest + g),
    CAST(%(now)s AS timestamptz) - random() * interval '50 minutes',
    20 + random() * 70,
    CASE WHEN random() < 0.5 THEN 'F' ELSE 'M' END,
    CASE WHEN random() < 0.5 THEN 'MICU' ELSE 'SICU' END,
    random() * 24
FROM (SELECT COALESCE(max(visit_id), 0) AS newest FROM public.visits) AS n, generate_series(1, 3) AS g;

UPDATE public.visits
SET discharged_at = %(now)s
WHERE discharged_at IS NULL
  AND admitted_at < CAST(%(now)s AS timestamptz) - interval '20 hours'
  AND random() < 0.2;

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
    c.visit_id,
    CASE WHEN c.dirt < 0.002 THEN 'somebody else' ELSE c.client END,
    c.at,
    CASE WHEN c.dirt BETWEEN 0.01 AND 0.012 THEN 'UNKNOWN' ELSE c.code END,
    CASE
        WHEN c.dirt BETWEEN 0.02 AND 0.025 THEN NULL
        WHEN c.dirt BETWEEN 0.025 AND 0.028 THEN 'NaN'
        WHEN c.dirt BETWEEN 0.028 AND 0.030 THEN 9999
        ELSE c.low + (c.high - c.low) * (random() * 1.4 - 0.2)
    END,
    CASE WHEN c.dirt BETWEEN 0.03 AND 0.032 THEN c.high ELSE c.low END,
    CASE WHEN c.dirt BETWEEN 0.03 AND 0.032 THEN c.low ELSE c.high END,
    c.at + CASE WHEN random() < 0.1 THEN random() * interval '5 hours' ELSE interval '0' END
FROM (
    SELECT
        v.visit_id,
        v.client,
        k.code,
        k.low,
        k.high,
        random() AS dirt,
        GREATEST(v.admitted_at, CAST(%(now)s AS timestamptz) - random() * interval '1 hour') AS at
    FROM public.visits AS v
    CROSS JOIN (
        VALUES ('HR', 60, 100), ('SBP', 90, 140), ('TEMP', 36, 38), ('RR', 12, 20), ('SPO2', 94, 100), ('LACTATE', 0.5, 2)
    ) AS k (code, low, high)
    WHERE v.discharged_at IS NULL
      AND random() < 0.7
) AS c;
