-- What is wrong with the outcomes: one row per fault that any has, with the number of outcomes that have it. An evaluation tells each.
SELECT
    'of applications that do not exist' AS fault,
    count(*) AS outcomes
FROM transaction.outcomes AS o
WHERE NOT EXISTS (SELECT FROM transaction.applications AS a WHERE a.application = o.application)
HAVING count(*) > 0
UNION ALL
SELECT
    'of a purpose that is not given' AS fault,
    count(*) AS outcomes
FROM transaction.outcomes AS o
WHERE (o.loan_purpose IN ('1', '2', '31', '32', '4')) IS NOT TRUE
HAVING count(*) > 0
