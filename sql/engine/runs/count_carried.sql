-- How many entities of a run have ended, by its batches, of which there are few; one row.
-- Parameters: run_id.
SELECT COALESCE(sum(eligible), 0)::bigint AS carried
FROM scorer.batches
WHERE run_id = :run_id
