-- The asked women who may be assessed, as due.sql has it: one row per woman, as of `results_after` her newest examination.
-- Parameters: entity_ids (array), as_of, results_after.
SELECT
    n.user_id AS entity_id,
    n.examined_at + CAST(:results_after AS interval) AS as_of
FROM (
    SELECT DISTINCT ON (x.user_id)
        x.user_id,
        x.examined_at,
        x.exclusion
    FROM pcos.examinations AS x
    WHERE x.user_id = ANY (CAST(:entity_ids AS text []))
      AND x.examined_at <= CAST(:as_of AS timestamptz) - CAST(:results_after AS interval)
      AND x.examined_at >= TIMESTAMPTZ '1900-01-01 UTC'
    ORDER BY
        x.user_id,
        x.examined_at DESC,
        x.exam_id DESC
) AS n
WHERE COALESCE(n.exclusion, '') = ''
