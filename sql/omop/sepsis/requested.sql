-- The asked stays in intensive care that have begun, or that began nobody knows when, each with the moment as of which it is scored: now, or
-- its end. One row per visit_occurrence, found by its key; due.sql says what a stay is. What is asked for is anybody's text: only a whole
-- number can be a visit.
-- Parameters: entity_ids (array), as_of, timezone, intensive_care.
SELECT
    CAST(v.visit_occurrence_id AS text) AS entity_id,
    GREATEST(LEAST(s.ended_at AT TIME ZONE :timezone, :as_of), TIMESTAMPTZ '1900-01-01 UTC') AS as_of
FROM cdm.visit_occurrence AS v
CROSS JOIN LATERAL (
    SELECT
        count(*) AS parts,
        CASE WHEN count(*) > 0 THEN min(d.visit_detail_start_datetime) ELSE v.visit_start_datetime END AS began_at,
        LEAST(
            CASE
                WHEN count(*) = count(COALESCE(d.visit_detail_end_datetime, d.visit_detail_end_date + 1))
                    THEN max(COALESCE(d.visit_detail_end_datetime, d.visit_detail_end_date + 1))
            END,
            COALESCE(v.visit_end_datetime, v.visit_end_date + 1)
        ) AS ended_at
    FROM cdm.visit_detail AS d
    WHERE d.visit_occurrence_id = v.visit_occurrence_id
      AND d.visit_detail_concept_id = ANY (CAST('{' || :intensive_care || '}' AS integer []))
) AS s
WHERE v.visit_occurrence_id = ANY (
        ARRAY(
            SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
            FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
            WHERE e.entity_id ~ '^-?[0-9]{1,19}$'
        )
    )
    AND (s.parts > 0 OR v.visit_concept_id = ANY (CAST('{' || :intensive_care || '}' AS integer [])))
    AND (
        (s.began_at AT TIME ZONE :timezone > :as_of) IS NOT TRUE
        OR s.began_at AT TIME ZONE :timezone > CAST(:as_of AS timestamptz) + INTERVAL '10 years'
    )
