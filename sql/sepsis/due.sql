-- The visits that may be due as of a time: one row per visit that has begun, or that began nobody knows when (the suite holds it). A
-- visit that has ended is scored as of its end, and is settled once `recheck` has passed since: until then, rows that were committed late
-- or put right are still looked for. An end before 1900 (-infinity, a date BC) is a mistake, and no time that a program could hold.
-- A visit that begins ten years from now or later has a date such as 9999-12-31, which a system writes where it knows none: it is due, and
-- the suite holds it.
-- A sweep looks at every visit. Any other run looks at those that are not settled, at those without a risk level, as is whoever was never
-- scored where the scorer alone fills that column, and at those that it is told of: with indexes.sql, at a cost that history does not raise.
-- Of settled visits, a sweep alone finds one that was never judged and has a risk level all the same, written by somebody else, and one
-- that was judged without a score and whose end was moved or charted since. Both ended over `recheck` ago: nobody waits for them.
-- Parameters: as_of, recheck, sweep, entity_ids (array: whom to look at, settled or not).
SELECT
    CAST(v.visit_id AS text) AS entity_id,
    GREATEST(LEAST(v.discharged_at, :as_of), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(v.discharged_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM (
    SELECT
        a.visit_id,
        a.admitted_at,
        a.discharged_at
    FROM public.visits AS a
    WHERE CAST(:sweep AS boolean)
       OR a.discharged_at IS NULL
       OR a.discharged_at >= CAST(:as_of AS timestamptz) - CAST(:recheck AS interval)
    UNION ALL
    SELECT
        n.visit_id,
        n.admitted_at,
        n.discharged_at
    FROM public.visits AS n
    WHERE NOT CAST(:sweep AS boolean)
      AND n.risk_level IS NULL
      AND n.discharged_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval)
    UNION ALL
    SELECT
        t.visit_id,
        t.admitted_at,
        t.discharged_at
    FROM public.visits AS t
    WHERE NOT CAST(:sweep AS boolean)
      AND t.risk_level IS NOT NULL
      AND t.discharged_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval)
      AND t.visit_id = ANY (
          ARRAY(
              SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
              FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
              WHERE e.entity_id ~ '^-?[0-9]{1,19}$'
          )
      )
) AS v
WHERE (v.admitted_at > :as_of) IS NOT TRUE
   OR v.admitted_at > CAST(:as_of AS timestamptz) + INTERVAL '10 years'
