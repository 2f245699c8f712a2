-- Empties the hospital's own columns of the staged visits, whose score was recalled and that have no other; one row per visit that was
-- emptied. A visit that somebody holds is passed over and emptied later, and each is looked up by its key, as in write_back.sql.
WITH locked AS (
    SELECT
        v.visit_id,
        s.entity_id
    FROM public.visits AS v
    JOIN pg_temp.staged_take_back AS s ON v.visit_id = CAST(s.entity_id AS bigint)
    WHERE v.visit_id = ANY (ARRAY(SELECT CAST(t.entity_id AS bigint) FROM pg_temp.staged_take_back AS t))
    ORDER BY v.visit_id
    FOR NO KEY UPDATE OF v SKIP LOCKED
)

UPDATE public.visits AS v
SET
    sepsis_score = NULL,
    risk_level = NULL,
    scored_at = NULL
FROM locked
WHERE v.visit_id = locked.visit_id
RETURNING locked.entity_id AS entity_id
