-- What a model is trained and evaluated on: one row per examination whose hormones are known, as of `results_after` it; of several of a woman
-- at one time the last, as observations.sql has it. label is 1 where the free androgen index was above 5: one of the criteria of PCOS, not the
-- diagnosis.
-- Parameters: results_after.
SELECT
    n.user_id AS entity_id,
    n.user_id AS cohort,
    n.examined_at + CAST(:results_after AS interval) AS as_of,
    t.hyperandrogenism AS label
FROM (
    SELECT DISTINCT ON (x.user_id, x.examined_at)
        x.user_id,
        x.examined_at,
        x.exam_id,
        x.exclusion
    FROM pcos.examinations AS x
    WHERE isfinite(x.examined_at)
      AND x.user_id IS NOT NULL
    ORDER BY
        x.user_id,
        x.examined_at,
        x.exam_id DESC
) AS n
JOIN pcos.outcomes AS t ON t.exam_id = n.exam_id
WHERE COALESCE(n.exclusion, '') = ''
