-- The applications that may be due: one row per application that was submitted by the as-of time, as of its submission.
-- Nothing of an application changes later, so it is settled once `recheck` has passed. One without a time is due: the suite holds it.
-- A sweep looks at every application; any other run at those that are not settled, and at those that it is told of.
-- Parameters: as_of, recheck, sweep, entity_ids (array: applications to look at, settled or not).
SELECT
    CAST(a.application AS text) AS entity_id,
    GREATEST(LEAST(a.submitted_at, CAST(:as_of AS timestamptz)), TIMESTAMPTZ '1900-01-01 UTC') AS as_of,
    COALESCE(a.submitted_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval), false) AS settled
FROM transaction.applications AS a
WHERE (a.submitted_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
  AND (
      CAST(:sweep AS boolean)
      OR (a.submitted_at < CAST(:as_of AS timestamptz) - CAST(:recheck AS interval)) IS NOT TRUE
      OR CAST(a.application AS text) = ANY (CAST(:entity_ids AS text []))
  )
