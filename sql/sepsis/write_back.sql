-- Copies the batch's scores to the hospital's own table, in the order of visit_id, so that two batches cannot wait for each other; one
-- row per scored visit. The last statement of the batch: its row locks are held for the length of a commit.
WITH locked AS (
    SELECT
        v.visit_id,
        o.score,
        o.risk_band
    FROM public.visits AS v
    JOIN pg_temp.staged_outcomes AS o ON v.visit_id = CAST(o.entity_id AS bigint)
    WHERE o.status = 'SCORED'
    ORDER BY v.visit_id
    FOR NO KEY UPDATE OF v
)

UPDATE public.visits AS v
SET
    sepsis_score = locked.score,
    risk_level = locked.risk_band,
    scored_at = now()
FROM locked
WHERE v.visit_id = locked.visit_id
