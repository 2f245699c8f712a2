-- The newest time of a column that does not lie in the future; one row, NULL where there is none.
-- Between the braces go the column and its table.
SELECT max(CAST({moment} AS timestamptz)) AS newest
FROM {relation}
WHERE CAST({moment} AS timestamptz) <= now()
  AND isfinite({moment})
