-- Marks a run that answered requests succeeded, with its counts; no row.
-- The table's CHECK refuses counts that do not add up.
-- Parameters: run_id, eligible, scored, unchanged, quarantined, insufficient, indeterminate, failed.
UPDATE scorer.runs
SET
    status = 'succeeded',
    finished_at = clock_timestamp(),
    eligible = :eligible,
    scored = :scored,
    unchanged = :unchanged,
    quarantined = :quarantined,
    insufficient = :insufficient,
    indeterminate = :indeterminate,
    failed = :failed
WHERE run_id = :run_id
