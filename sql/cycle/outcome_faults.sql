-- What is wrong with the lengths that outcomes are made of: one row per fault that any has, with how many have it.
SELECT
    'of users that do not exist' AS fault,
    count(*) AS outcomes
FROM cycle.cycles AS c
WHERE NOT EXISTS (SELECT FROM cycle.users AS u WHERE u.user_id = c.user_id)
HAVING count(*) > 0
UNION ALL
SELECT
    'of a length that is not that of its dates' AS fault,
    count(*) AS outcomes
FROM cycle.cycles AS c
WHERE c.length_days <> c.ended_on - c.began_on
HAVING count(*) > 0
UNION ALL
SELECT
    'of a length that cannot be' AS fault,
    count(*) AS outcomes
FROM cycle.cycles AS c
WHERE c.length_days NOT BETWEEN 10 AND 180
HAVING count(*) > 0
