-- Takes asked entities for an answer, skipping what a worker is scoring now; one row per entity.
-- With each comes its current outcome, unless a clock that was put right since dated it in the future. The work of an entity that waits for
-- a run is locked and left in place: a batch skips it meanwhile, and finds the entity unchanged afterwards.
-- OFFSET 0 has each entity looked up by its key, however long the backlog is and whatever the planner believes of it.
-- Parameters: job, output, entity_ids, as_ofs (arrays, one element per entity).
WITH asked AS MATERIALIZED (
    SELECT
        a.entity_id,
        a.as_of
    FROM unnest(CAST(:entity_ids AS text []), CAST(:as_ofs AS timestamptz [])) AS a (entity_id, as_of)
),

held AS MATERIALIZED (
    SELECT w.entity_id
    FROM scorer.work AS w
    WHERE w.job = :job
      AND w.entity_id = ANY (CAST(:entity_ids AS text []))
    FOR UPDATE SKIP LOCKED
)

SELECT
    asked.entity_id,
    asked.as_of,
    c.status,
    c.status_as_of,
    c.status_known_at,
    c.reason,
    c.input_hash,
    c.valid_until,
    c.judged_by_model,
    c.judged_by_job
FROM asked
LEFT JOIN held ON held.entity_id = asked.entity_id
LEFT JOIN LATERAL (
    SELECT w.entity_id
    FROM scorer.work AS w
    WHERE w.job = :job
      AND w.entity_id = asked.entity_id
    OFFSET 0
) AS waiting ON true
LEFT JOIN LATERAL (
    SELECT *
    FROM scorer.current_scores AS s
    WHERE s.job = :job
      AND s.entity_id = asked.entity_id
      AND s.output = :output
      AND s.status_at <= clock_timestamp()
    OFFSET 0
) AS c ON true
WHERE held.entity_id IS NOT NULL
   OR waiting.entity_id IS NULL
