-- Prompts of people who do not exist: one row per person_id (empty where the prompt has none).
SELECT
    COALESCE(t.person_id, '') AS entity_id,
    count(*) AS observations
FROM contact.prompts AS t
WHERE NOT EXISTS (SELECT FROM contact.people AS p WHERE p.person_id = t.person_id)
GROUP BY COALESCE(t.person_id, '')
