-- Copies the staged scores to the hospital's own table, one row per visit that was written. A visit that somebody holds is passed over
-- and written later: this statement waits for nobody's row, so that it can neither hold up nor deadlock whoever works there. The last
-- but one statement of the batch: its row locks are held for the length of a commit.
-- The ids stand in an ARRAY of a SELECT, whose length the planner does not know: it looks each up by its key, and never reads the whole
-- table for them.
WITH locked AS (
    SELECT
        v.visit_id,
        s.entity_id,
        s.score,
        s.risk_band,
        s.scored_at
    FROM public.visits AS v
    JOIN pg_temp.staged_write_back AS s ON v.visit_id = CAST(s.entity_id AS bigint)
    WHERE v.visit_id = ANY (ARRAY(SELECT CAST(t.entity_id AS bigint) FROM pg_temp.staged_write_back AS t))
    ORDER BY v.visit_id
    FOR NO KEY UPDATE OF v SKIP LOCKED
)

UPDATE public.visits AS v
SET
    sepsis_score = locked.score,
    risk_level = locked.risk_band,
    scored_at = locked.scored_at
FROM locked
WHERE v.visit_id = locked.visit_id
RETURNING locked.entity_id AS entity_id
