-- Takes asked entities for an answer, passing over those that a worker is scoring this moment; one row per entity, with its current
-- outcome. The work of an entity that waits for a run is locked and left in place: a batch passes it over meanwhile, and finds the entity
-- unchanged afterwards. An outcome that a clock, put right since, dated in the future is none.
-- Parameters: job, output, entity_ids, as_ofs (arrays, one element per entity).
WITH held AS MATERIALIZED (
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
    c.reason,
    c.input_hash,
    c.valid_until,
    c.judged_by_model,
    c.judged_by_job
FROM unnest(CAST(:entity_ids AS text []), CAST(:as_ofs AS timestamptz [])) AS asked (entity_id, as_of)
LEFT JOIN scorer.current_scores AS c
    ON c.job = :job
    AND c.entity_id = asked.entity_id
    AND c.output = :output
    AND c.status_at <= clock_timestamp()
WHERE asked.entity_id IN (SELECT h.entity_id FROM held AS h)
   OR NOT EXISTS (
       SELECT
       FROM scorer.work AS w
       WHERE w.job = :job
         AND w.entity_id = asked.entity_id
   )
