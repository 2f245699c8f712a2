-- What is wrong with the conditions: one row per fault that any has, with how many have it.
SELECT
    'of reports that do not exist' AS fault,
    count(*) AS outcomes
FROM symptoms.conditions AS c
WHERE NOT EXISTS (SELECT FROM symptoms.reports AS r WHERE r.report_id = c.report_id)
HAVING count(*) > 0
UNION ALL
SELECT
    'of two or more conditions, which the model has no class for' AS fault,
    count(*) AS outcomes
FROM symptoms.conditions AS c
WHERE c.condition = 'two or more'
HAVING count(*) > 0
