-- Where counting begins: the keys of the newest run and of the newest batch, 0 where there is none, and of the runs that are not ended;
-- one row.
SELECT
    (SELECT COALESCE(max(run_id), 0) FROM scorer.runs) AS run_id,
    ARRAY(SELECT run_id FROM scorer.runs WHERE status = 'running') AS running,
    (SELECT COALESCE(max(batch_id), 0) FROM scorer.batches) AS batch_id
