-- What a model is trained and evaluated on: one row per examination whose hormones are known, as of `results_after` it. label is 1 where the
-- free androgen index was above 5: one of the criteria of PCOS, not the diagnosis.
-- Parameters: results_after.
SELECT
    x.user_id AS entity_id,
    x.user_id AS cohort,
    x.examined_at + CAST(:results_after AS interval) AS as_of,
    t.hyperandrogenism AS label
FROM pcos.examinations AS x
JOIN pcos.outcomes AS t ON t.exam_id = x.exam_id
WHERE COALESCE(x.exclusion, '') = ''
  AND isfinite(x.examined_at)
