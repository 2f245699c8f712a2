-- Counts the rows that broke each rule in the batches given; one row per job, suite and rule.
-- With them come the batches of stopped_runs that were rolled back, because a rule stopped the run: what their rules found has no batch.
-- Parameters: batch_ids (array of keys), of_runs (array, the keys of their runs), stopped_runs (array of keys).
SELECT
    r.job,
    v.suite,
    v.rule,
    sum(v.unexpected)::bigint AS unexpected
FROM scorer.validation_results AS v
JOIN scorer.runs AS r ON r.run_id = v.run_id
WHERE (
    v.run_id = ANY (CAST(%(of_runs)s AS bigint []))
    AND v.batch_id = ANY (CAST(%(batch_ids)s AS bigint []))
)
OR (
    v.run_id = ANY (CAST(%(stopped_runs)s AS bigint []))
    AND v.batch_id IS NULL
)
GROUP BY r.job, v.suite, v.rule
