-- The visits that may be due as of a time: one row per visit that has begun. A visit that has ended is scored as of its end, and is
-- settled once `recheck` has passed since: until then, rows that were committed late or put right are still looked for.
-- Parameters: as_of, recheck.
SELECT
    CAST(v.visit_id AS text) AS entity_id,
    LEAST(v.discharged_at, :as_of) AS as_of,
    COALESCE(v.discharged_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM public.visits AS v
WHERE v.admitted_at <= :as_of
