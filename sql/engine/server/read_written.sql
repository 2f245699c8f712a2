-- What this transaction has written into a table; one row per row of it, as a document.
-- Between the braces go the table, and a condition on its key or true.
SELECT to_jsonb(w) AS document
FROM {relation} AS w
WHERE w.xmin = CAST(pg_current_xact_id() AS xid)
  AND {condition}
LIMIT 10
