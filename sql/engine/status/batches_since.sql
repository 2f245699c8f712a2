-- Batches newer than a key, and those of the open keys that can be seen by now; one row per batch.
-- Keys are drawn before transactions commit, and these commit in another order: the open keys are older than the newest that was seen, and
-- were not to be seen with it.
-- Parameters: newest, open_ids (array of keys).
SELECT
    b.batch_id,
    b.run_id,
    r.job,
    b.scored,
    b.unchanged,
    b.quarantined,
    b.insufficient,
    b.indeterminate,
    b.failed,
    b.observations_read,
    b.observations_dropped,
    b.seconds
FROM scorer.batches AS b
JOIN scorer.runs AS r ON r.run_id = b.run_id
WHERE b.batch_id > %(newest)s
   OR b.batch_id = ANY (CAST(%(open_ids)s AS bigint []))
ORDER BY b.batch_id
