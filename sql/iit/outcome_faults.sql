-- What is wrong with what outcomes are told by: one row per fault that any patient has, with the number of patients. An evaluation tells each.
SELECT
    'of patients whose death is before treatment began' AS fault,
    count(*) AS outcomes
FROM iit.patients AS p
WHERE p.died_on < p.art_start
HAVING count(*) > 0
UNION ALL
SELECT
    'of patients with contacts after their death' AS fault,
    count(*) AS outcomes
FROM iit.patients AS p
WHERE EXISTS (SELECT FROM iit.visits AS v WHERE v.patient_uuid = p.patient_uuid AND v.visit_date > p.died_on)
   OR EXISTS (SELECT FROM iit.obs AS o WHERE o.patient_uuid = p.patient_uuid AND o.obs_date > p.died_on)
HAVING count(*) > 0
UNION ALL
SELECT
    'of deaths and transfers after the tables cease to be complete' AS fault,
    count(*) AS outcomes
FROM iit.patients AS p
JOIN iit.programmes AS g ON g.programme = p.programme
WHERE GREATEST(p.died_on, p.transferred_on) > g.complete_until
HAVING count(*) > 0
