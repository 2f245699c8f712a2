-- Answers and measurements of examinations that do not exist, and examinations that name no woman or no time: one row per such exam_id
-- (empty where a row has none), with how many there are.
SELECT
    COALESCE(CAST(c.exam_id AS text), '') AS entity_id,
    count(*) AS observations
FROM (
    SELECT a.exam_id
    FROM pcos.answers AS a
    UNION ALL
    SELECT m.exam_id
    FROM pcos.measurements AS m
) AS c
WHERE NOT EXISTS (SELECT FROM pcos.examinations AS x WHERE x.exam_id = c.exam_id)
GROUP BY c.exam_id
UNION ALL
SELECT
    CAST(x.exam_id AS text) AS entity_id,
    1 AS observations
FROM pcos.examinations AS x
WHERE x.user_id IS NULL
   OR x.examined_at IS NULL
