-- The asked women who may be assessed, as due.sql has it: one row per woman, as of `results_after` her newest examination.
-- Parameters: entity_ids (array), as_of, results_after.
SELECT DISTINCT ON (x.user_id)
    x.user_id AS entity_id,
    x.examined_at + CAST(:results_after AS interval) AS as_of
FROM pcos.examinations AS x
WHERE x.user_id = ANY (CAST(:entity_ids AS text []))
  AND x.examined_at <= CAST(:as_of AS timestamptz) - CAST(:results_after AS interval)
  AND x.examined_at >= TIMESTAMPTZ '1900-01-01 UTC'
  AND COALESCE(x.exclusion, '') = ''
ORDER BY
    x.user_id,
    x.examined_at DESC,
    x.exam_id DESC
