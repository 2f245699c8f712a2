-- Removes the work that the batch has claimed and ended; it comes back if the transaction does not commit, and only then.
-- Parameters: work_ids (array of work_id).
DELETE FROM scorer.work
WHERE work_id = ANY (CAST(:work_ids AS bigint []))
