-- The stays in intensive care that may be due as of a time: one row per visit_occurrence that has one and has begun, or began nobody
-- knows when (the suite holds it). A stay is all parts of the visit in intensive care (visit_detail), from the first one's beginning to the
-- last one's end; of a visit that is intensive care itself and has no such part, the whole visit. It ends with its visit at the latest.
-- A stay that has ended is scored as of its end, and is settled once `recheck` has passed since. An end before 1900 is a mistake. One that
-- begins ten years from now or later has a date such as 9999-12-31, which a system writes where it knows none: the suite holds it.
-- A sweep looks at every visit. Any other run looks at those whose visit has not ended, or ended within `recheck` (two days are added, for
-- the zone and for ends that are known by their day alone), and at those that it is told of: with indexes.sql, by an index.
-- The CDM's times have no zone: they are those of `timezone`. Where an end has no time, it is the end of its day.
-- Parameters: as_of, recheck, timezone, intensive_care, sweep, entity_ids (array: whom to look at, settled or not).
SELECT
    CAST(v.visit_occurrence_id AS text) AS entity_id,
    GREATEST(LEAST(s.ended_at AT TIME ZONE :timezone, :as_of), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(s.ended_at AT TIME ZONE :timezone < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM (
    SELECT
        a.visit_occurrence_id,
        a.visit_concept_id,
        a.visit_start_datetime,
        COALESCE(a.visit_end_datetime, a.visit_end_date + 1) AS ended_at
    FROM cdm.visit_occurrence AS a
    WHERE CAST(:sweep AS boolean)
       OR COALESCE(a.visit_end_datetime, a.visit_end_date + 1) IS NULL
       OR COALESCE(a.visit_end_datetime, a.visit_end_date + 1)
          >= (CAST(:as_of AS timestamptz) - CAST(:recheck AS interval) - INTERVAL '2 days') AT TIME ZONE 'UTC'
    UNION
    SELECT
        t.visit_occurrence_id,
        t.visit_concept_id,
        t.visit_start_datetime,
        COALESCE(t.visit_end_datetime, t.visit_end_date + 1) AS ended_at
    FROM cdm.visit_occurrence AS t
    WHERE NOT CAST(:sweep AS boolean)
      AND t.visit_occurrence_id = ANY (
          ARRAY(
              SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
              FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
              WHERE e.entity_id ~ '^-?[0-9]{1,19}$'
          )
      )
) AS v
CROSS JOIN LATERAL (
    SELECT
        count(*) AS parts,
        CASE WHEN count(*) > 0 THEN min(d.visit_detail_start_datetime) ELSE v.visit_start_datetime END AS began_at,
        LEAST(
            CASE
                WHEN count(*) = count(COALESCE(d.visit_detail_end_datetime, d.visit_detail_end_date + 1))
                    THEN max(COALESCE(d.visit_detail_end_datetime, d.visit_detail_end_date + 1))
            END,
            v.ended_at
        ) AS ended_at
    FROM cdm.visit_detail AS d
    WHERE d.visit_occurrence_id = v.visit_occurrence_id
      AND d.visit_detail_concept_id = ANY (CAST('{' || :intensive_care || '}' AS integer []))
) AS s
WHERE (s.parts > 0 OR v.visit_concept_id = ANY (CAST('{' || :intensive_care || '}' AS integer [])))
  AND (
      (s.began_at AT TIME ZONE :timezone > :as_of) IS NOT TRUE
      OR s.began_at AT TIME ZONE :timezone > CAST(:as_of AS timestamptz) + INTERVAL '10 years'
  )
