-- The reports that may be due: one row per report that was given by the as-of time. A report is scored as of the day of the interview and
-- `late` after it, by when its answers are charted, and no later. It is settled once `recheck` has passed since.
-- Parameters: as_of, late, recheck, sweep, entity_ids (array: which to look at, settled or not).
SELECT
    CAST(r.report_id AS text) AS entity_id,
    LEAST(r.interviewed_at + CAST(:late AS interval), CAST(:as_of AS timestamptz)) AS as_of,
    r.interviewed_at < CAST(:as_of AS timestamptz) - CAST(:late AS interval) - CAST(:recheck AS interval) AS settled
FROM symptoms.reports AS r
WHERE r.interviewed_at BETWEEN TIMESTAMPTZ '1900-01-01 UTC' AND CAST(:as_of AS timestamptz)
  AND (
      CAST(:sweep AS boolean)
      OR r.interviewed_at >= CAST(:as_of AS timestamptz) - CAST(:late AS interval) - CAST(:recheck AS interval)
      OR CAST(r.report_id AS text) = ANY (CAST(:entity_ids AS text []))
  )
