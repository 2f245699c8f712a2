-- The visits that may be due as of a time: one row per visit that has begun, or that began nobody knows when (the suite holds it). A
-- visit that has ended is scored as of its end, and is settled once `recheck` has passed since: until then, rows that were committed late
-- or put right are still looked for. An end before 1900 (-infinity, a date BC) is a mistake, and no time that a program could hold.
-- Parameters: as_of, recheck.
SELECT
    CAST(v.visit_id AS text) AS entity_id,
    GREATEST(LEAST(v.discharged_at, :as_of), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(v.discharged_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM public.visits AS v
WHERE (v.admitted_at > :as_of) IS NOT TRUE
