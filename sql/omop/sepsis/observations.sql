-- What is known of each stay as of its time: one row per measurement whose concept concepts.csv has, in no order.
-- A value becomes one in the job's unit by the line of concepts.csv for its concept and unit: value x factor + offset, rounded to nine
-- places; where factor is 1 and offset 0, it stays as it is. In a unit that the file does not have (0: the CDM names none) it has no
-- value: `unit_not_in_map` has that unit's concept, `value_as_recorded` what stands there, and the suite tells both. The text in
-- unit_source_value decides nothing. What is too much for a double is infinite, which the suite refuses.
-- `operator` is that of a value that is a limit (< or >, or one that is no "="): the suite tells it, and the limit counts.
-- A measurement is known from its own time on: a CDM does not say when it learnt it. One without a time, though with a date, is known and
-- refused by the suite, and so is one dated from 2090 on, as a system writes where it knows no date.
-- `same_client` is false where the measurement is another person's than its visit, and NULL in all other rows.
-- Measurements are found by one walk of the index on visit_occurrence_id, and only then joined: OFFSET 0 keeps the two apart.
-- Parameters: entity_ids, as_ofs (arrays, one element per entity), timezone.
WITH map (concept_id, unit_concept_id, code, factor, shift, loinc, unit) AS (
    VALUES
    {concepts}
),

concepts AS (
    SELECT DISTINCT
        map.concept_id,
        map.code
    FROM map
)

SELECT
    k.position,
    m.measurement_id AS observation_id,
    m.measured_at AS observation_date,
    c.code AS observation_type_code,
    CASE
        WHEN u.factor = 1 AND u.shift = 0 THEN CAST(m.value_as_number AS double precision)
        ELSE CAST(round(CAST(m.value_as_number AS numeric) * u.factor + u.shift, 9) AS double precision)
    END AS observation_value,
    CASE
        WHEN u.factor = 1 AND u.shift = 0 THEN CAST(m.range_low AS double precision)
        ELSE CAST(round(CAST(m.range_low AS numeric) * u.factor + u.shift, 9) AS double precision)
    END AS reference_range_min,
    CASE
        WHEN u.factor = 1 AND u.shift = 0 THEN CAST(m.range_high AS double precision)
        ELSE CAST(round(CAST(m.range_high AS numeric) * u.factor + u.shift, 9) AS double precision)
    END AS reference_range_max,
    CASE WHEN m.person_id <> v.person_id THEN false END AS same_client,
    CASE WHEN u.factor IS NULL AND m.value_as_number IS NOT NULL THEN CAST(COALESCE(m.unit_concept_id, 0) AS bigint) END AS unit_not_in_map,
    CASE WHEN u.factor IS NULL THEN CAST(m.value_as_number AS double precision) END AS value_as_recorded,
    CASE WHEN m.operator_concept_id NOT IN (0, 4172703) THEN CAST(m.operator_concept_id AS bigint) END AS operator,
    m.dated_at AS known_from
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN cdm.visit_occurrence AS v ON v.visit_occurrence_id = CAST(k.entity_id AS bigint)
JOIN (
    SELECT
        n.measurement_id,
        n.person_id,
        n.visit_occurrence_id,
        n.measurement_concept_id,
        n.unit_concept_id,
        n.operator_concept_id,
        CASE
            WHEN n.value_as_number BETWEEN -1e300 AND 1e300 THEN CASE WHEN abs(n.value_as_number) >= 1e-300 THEN n.value_as_number ELSE 0 END
            WHEN n.value_as_number = 'NaN' THEN 'NaN'
            WHEN n.value_as_number > 0 THEN 'Infinity'
            WHEN n.value_as_number < 0 THEN '-Infinity'
        END AS value_as_number,
        CASE
            WHEN n.range_low BETWEEN -1e300 AND 1e300 THEN CASE WHEN abs(n.range_low) >= 1e-300 THEN n.range_low ELSE 0 END
            WHEN n.range_low = 'NaN' THEN 'NaN'
            WHEN n.range_low > 0 THEN 'Infinity'
            WHEN n.range_low < 0 THEN '-Infinity'
        END AS range_low,
        CASE
            WHEN n.range_high BETWEEN -1e300 AND 1e300 THEN CASE WHEN abs(n.range_high) >= 1e-300 THEN n.range_high ELSE 0 END
            WHEN n.range_high = 'NaN' THEN 'NaN'
            WHEN n.range_high > 0 THEN 'Infinity'
            WHEN n.range_high < 0 THEN '-Infinity'
        END AS range_high,
        n.measurement_datetime AT TIME ZONE :timezone AS measured_at,
        CASE
            WHEN n.measurement_datetime AT TIME ZONE :timezone < TIMESTAMPTZ '2090-01-01 UTC'
                THEN n.measurement_datetime AT TIME ZONE :timezone
        END AS dated_at
    FROM cdm.measurement AS n
    WHERE n.visit_occurrence_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS bigint []))))
    OFFSET 0
) AS m ON m.visit_occurrence_id = v.visit_occurrence_id
JOIN concepts AS c ON c.concept_id = m.measurement_concept_id
LEFT JOIN map AS u ON u.concept_id = m.measurement_concept_id AND u.unit_concept_id = COALESCE(m.unit_concept_id, 0)
WHERE (m.dated_at > k.as_of) IS NOT TRUE
