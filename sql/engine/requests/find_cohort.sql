-- The entities of which a predicate of the caller's holds; one row per entity.
-- It is evaluated with the caller's own rights.
-- The predicate is about the columns of reporting.current_scores. Before it is looked at, the transaction can only read.
-- Parameters: job, predicate.
WITH transaction AS MATERIALIZED (
    SELECT pg_catalog.set_config('transaction_read_only', 'on', true) AS only_reads
)

SELECT f.entity_id
FROM transaction AS t
CROSS JOIN LATERAL scorer.find_cohort(:job, CASE WHEN t.only_reads = 'on' THEN :predicate END) AS f (entity_id)
