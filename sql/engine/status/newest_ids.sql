-- The newest keys of runs and batches, 0 where there is none, and the running runs; one row.
-- The metrics count from there.
SELECT
    (SELECT COALESCE(max(run_id), 0) FROM scorer.runs) AS run_id,
    ARRAY(SELECT run_id FROM scorer.runs WHERE status = 'running') AS running,
    (SELECT COALESCE(max(batch_id), 0) FROM scorer.batches) AS batch_id
