-- What is known of each stay beside its measurements: one row per entity. due.sql says what a stay is.
-- `age_years` is the time from birth to the beginning of the stay, in years of 365.2425 days. A birth without a day counts as on the
-- 15th, one without a month as on 1 July. `hours_before_icu`: from the visit's beginning to that of the stay; of a visit that is intensive
-- care itself nobody knows it. `unit` is the care site of the stay's first part, `facility` that of the visit, by name.
-- Whole microseconds are divided, which a double holds exactly: a birth that was computed from an age gives that age again, to the last bit.
-- Parameters: entity_ids, as_ofs (arrays, one element per entity), timezone, intensive_care.
SELECT
    k.position,
    CAST(v.person_id AS text) AS client,
    s.began_at AT TIME ZONE :timezone AS admitted_at,
    CASE
        WHEN isfinite(s.began_at) AND isfinite(b.born_at)
            THEN CAST(extract(EPOCH FROM s.began_at - b.born_at) * 1000000 AS double precision) / 31556952000000
    END AS age_years,
    CASE
        WHEN p.gender_concept_id = 8507 THEN 'M'
        WHEN p.gender_concept_id = 8532 THEN 'F'
        WHEN p.gender_concept_id NOT IN (0, 8551) THEN CAST(p.gender_concept_id AS text)
    END AS sex,
    CAST(w.care_site_name AS text) AS unit,
    CAST(f.care_site_name AS text) AS facility,
    CASE
        WHEN d.is_part AND isfinite(s.began_at) AND isfinite(v.visit_start_datetime)
            THEN CAST(
                extract(EPOCH FROM s.began_at AT TIME ZONE :timezone - v.visit_start_datetime AT TIME ZONE :timezone) * 1000000
                AS double precision
            ) / 3600000000
    END AS hours_before_icu
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN cdm.visit_occurrence AS v ON v.visit_occurrence_id = CAST(k.entity_id AS bigint)
LEFT JOIN cdm.person AS p ON p.person_id = v.person_id
LEFT JOIN cdm.care_site AS f ON f.care_site_id = v.care_site_id
LEFT JOIN LATERAL (
    SELECT
        true AS is_part,
        d.visit_detail_start_datetime,
        d.care_site_id
    FROM cdm.visit_detail AS d
    WHERE d.visit_occurrence_id = v.visit_occurrence_id
      AND d.visit_detail_concept_id = ANY (CAST('{' || :intensive_care || '}' AS integer []))
    ORDER BY
        d.visit_detail_start_datetime,
        d.visit_detail_id
    LIMIT 1
) AS d ON true
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN d.is_part THEN d.visit_detail_start_datetime ELSE v.visit_start_datetime END AS began_at
) AS s
LEFT JOIN cdm.care_site AS w ON w.care_site_id = d.care_site_id
CROSS JOIN LATERAL (
    SELECT
        COALESCE(
            p.birth_datetime,
            CASE
                WHEN p.year_of_birth BETWEEN 1 AND 9999
                    THEN make_date(p.year_of_birth, CASE WHEN p.month_of_birth BETWEEN 1 AND 12 THEN p.month_of_birth ELSE 7 END, 1)
                        + CASE
                            WHEN p.month_of_birth BETWEEN 1 AND 12
                                THEN CASE WHEN p.day_of_birth BETWEEN 1 AND 31 THEN p.day_of_birth ELSE 15 END - 1
                            ELSE 0
                        END
            END
        ) AS born_at
) AS b
WHERE v.visit_occurrence_id = ANY (ARRAY(SELECT unnest(CAST(:entity_ids AS bigint []))))
