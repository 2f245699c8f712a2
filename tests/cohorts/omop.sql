-- Fills the tables of sql/omop/cdm.sql, empty ones, from public.visits and public.patient_observations. pg_temp.units says for each code
-- which concept and unit its values get: value in the job's unit = value there x factor + shift.
-- Nothing is rounded that can be kept: a double becomes a NUMERIC by its shortest text, an age a birth to the microsecond.
CREATE TEMPORARY TABLE stays AS
SELECT
    v.visit_id,
    v.client,
    v.sex,
    v.unit,
    v.facility,
    v.admitted_at AT TIME ZONE 'UTC' AS admitted_at,
    v.discharged_at AT TIME ZONE 'UTC' AS discharged_at,
    v.admitted_at AT TIME ZONE 'UTC'
    - INTERVAL '1 microsecond' * CAST(round(CAST(CAST(v.age_years AS text) AS numeric) * 31556952000000) AS double precision) AS born_at,
    v.admitted_at AT TIME ZONE 'UTC'
    - INTERVAL '1 microsecond' * CAST(round(CAST(CAST(v.hours_before_icu AS text) AS numeric) * 3600000000) AS double precision) AS came_at,
    CAST(dense_rank() OVER (ORDER BY v.client, v.sex, v.age_years, v.admitted_at) AS integer) AS person_id
FROM public.visits AS v;

INSERT INTO cdm.person (person_id, gender_concept_id, year_of_birth, birth_datetime, race_concept_id, ethnicity_concept_id)
SELECT DISTINCT
    s.person_id,
    CASE s.sex WHEN 'M' THEN 8507 WHEN 'F' THEN 8532 ELSE 0 END,
    COALESCE(CAST(extract(YEAR FROM s.born_at) AS integer), 0),
    s.born_at,
    0,
    0
FROM stays AS s
UNION ALL
SELECT
    0,
    0,
    0,
    NULL,
    0,
    0;

INSERT INTO cdm.care_site (care_site_id, care_site_name)
SELECT
    row_number() OVER (ORDER BY n.name),
    n.name
FROM (
    SELECT s.unit AS name
    FROM stays AS s
    WHERE s.unit IS NOT NULL
    UNION
    SELECT s.facility
    FROM stays AS s
    WHERE s.facility IS NOT NULL
) AS n;

INSERT INTO cdm.visit_occurrence (
    visit_occurrence_id, person_id, visit_concept_id, visit_start_date, visit_start_datetime, visit_end_date, visit_end_datetime,
    visit_type_concept_id, care_site_id
)
SELECT
    s.visit_id,
    s.person_id,
    9201,
    CAST(COALESCE(s.came_at, s.admitted_at, TIMESTAMP '1900-01-01') AS date),
    s.came_at,
    COALESCE(CAST(s.discharged_at AS date), CURRENT_DATE + 1),
    s.discharged_at,
    32817,
    c.care_site_id
FROM stays AS s
LEFT JOIN cdm.care_site AS c ON c.care_site_name = s.facility;

INSERT INTO cdm.visit_detail (
    visit_detail_id, person_id, visit_detail_concept_id, visit_detail_start_date, visit_detail_start_datetime, visit_detail_end_date,
    visit_detail_end_datetime, visit_detail_type_concept_id, care_site_id, visit_occurrence_id
)
SELECT
    s.visit_id,
    s.person_id,
    32037,
    CAST(COALESCE(s.admitted_at, TIMESTAMP '1900-01-01') AS date),
    s.admitted_at,
    COALESCE(CAST(s.discharged_at AS date), CURRENT_DATE + 1),
    s.discharged_at,
    32817,
    c.care_site_id,
    s.visit_id
FROM stays AS s
LEFT JOIN cdm.care_site AS c ON c.care_site_name = s.unit;

INSERT INTO cdm.measurement (
    measurement_id, person_id, measurement_concept_id, measurement_date, measurement_datetime, measurement_type_concept_id,
    value_as_number, unit_concept_id, range_low, range_high, visit_occurrence_id, measurement_source_value
)
SELECT
    o.observation_id,
    CASE WHEN o.client <> s.client THEN 0 ELSE s.person_id END,
    COALESCE(u.concept_id, 0),
    COALESCE(CAST(o.observation_date AT TIME ZONE 'UTC' AS date), DATE '1900-01-01'),
    o.observation_date AT TIME ZONE 'UTC',
    32817,
    CASE
        WHEN u.factor = 1 AND u.shift = 0 THEN CAST(CAST(o.observation_value AS text) AS numeric)
        ELSE round((CAST(CAST(o.observation_value AS text) AS numeric) - u.shift) / u.factor, 14)
    END,
    u.unit_concept_id,
    CASE
        WHEN u.factor = 1 AND u.shift = 0 THEN CAST(CAST(o.reference_range_min AS text) AS numeric)
        ELSE round((CAST(CAST(o.reference_range_min AS text) AS numeric) - u.shift) / u.factor, 14)
    END,
    CASE
        WHEN u.factor = 1 AND u.shift = 0 THEN CAST(CAST(o.reference_range_max AS text) AS numeric)
        ELSE round((CAST(CAST(o.reference_range_max AS text) AS numeric) - u.shift) / u.factor, 14)
    END,
    s.visit_id,
    o.observation_type_code
FROM public.patient_observations AS o
JOIN stays AS s ON s.visit_id = o.visit_id
LEFT JOIN pg_temp.units AS u ON u.code = o.observation_type_code;

DROP TABLE stays;
ANALYZE cdm.person, cdm.care_site, cdm.visit_occurrence, cdm.visit_detail, cdm.measurement;
