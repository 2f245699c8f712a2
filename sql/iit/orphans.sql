-- Contacts of patients who do not exist: one row per such patient_uuid (empty where the contact has none), with how many there are.
SELECT
    COALESCE(c.patient_uuid, '') AS entity_id,
    count(*) AS observations
FROM (
    SELECT v.patient_uuid
    FROM iit.visits AS v
    UNION ALL
    SELECT o.patient_uuid
    FROM iit.obs AS o
) AS c
WHERE NOT EXISTS (SELECT FROM iit.patients AS p WHERE p.patient_uuid = c.patient_uuid)
GROUP BY c.patient_uuid
