-- Batches that are newer than a key, and those that were not yet to be seen when it was the newest: keys are given out before transactions
-- commit, and not in the order of it; one row per batch.
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
