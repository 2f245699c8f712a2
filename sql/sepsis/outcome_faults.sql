-- What is wrong with the outcomes: one row per fault that any has, with the number of outcomes that have it. An evaluation tells each.
SELECT
    'of visits that do not exist' AS fault,
    count(*) AS outcomes
FROM public.outcomes AS t
WHERE NOT EXISTS (SELECT FROM public.visits AS v WHERE v.visit_id = t.visit_id)
HAVING count(*) > 0
UNION ALL
SELECT
    'of sepsis without a time of onset' AS fault,
    count(*) AS outcomes
FROM public.outcomes AS t
WHERE t.sepsis = 1 AND t.onset_at IS NULL
HAVING count(*) > 0
UNION ALL
SELECT
    'of no sepsis, but with a time of onset' AS fault,
    count(*) AS outcomes
FROM public.outcomes AS t
WHERE t.sepsis = 0 AND t.onset_at IS NOT NULL
HAVING count(*) > 0
UNION ALL
SELECT
    'of an onset before admission' AS fault,
    count(*) AS outcomes
FROM public.outcomes AS t
JOIN public.visits AS v ON v.visit_id = t.visit_id
WHERE t.onset_at < v.admitted_at
HAVING count(*) > 0
UNION ALL
SELECT
    'of an onset that is still to come' AS fault,
    count(*) AS outcomes
FROM public.outcomes AS t
WHERE t.onset_at > now()
HAVING count(*) > 0
