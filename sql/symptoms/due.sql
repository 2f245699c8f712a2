-- The reports that may be due: one row per report that was given by the as-of time. A report is scored as of the day of the interview and
-- `late` after it, by when its answers are charted, and no later. It is settled once `recheck` has passed since. One without a time is due:
-- the suite holds it.
-- Parameters: as_of, late, recheck, sweep, entity_ids (array: which to look at, settled or not).
SELECT
    CAST(r.report_id AS text) AS entity_id,
    GREATEST(LEAST(r.interviewed_at + CAST(:late AS interval), CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(r.interviewed_at < CAST(:as_of AS timestamptz) - CAST(:late AS interval) - CAST(:recheck AS interval), false) AS settled
FROM symptoms.reports AS r
WHERE (r.interviewed_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
  AND (
      CAST(:sweep AS boolean)
      OR (r.interviewed_at < CAST(:as_of AS timestamptz) - CAST(:late AS interval) - CAST(:recheck AS interval)) IS NOT TRUE
      OR CAST(r.report_id AS text) = ANY (CAST(:entity_ids AS text []))
  )
