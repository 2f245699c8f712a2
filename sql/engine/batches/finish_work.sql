-- Deletes the work that the batch has claimed and judged; no row.
-- It comes back only if the transaction does not commit.
-- Parameters: work_ids (array of work_id).
DELETE FROM scorer.work
WHERE work_id = ANY (CAST(:work_ids AS bigint []))
