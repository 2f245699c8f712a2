-- What is wrong with the answers that labels are made of: one row per fault that any has, with how many have it. An evaluation tells each.
SELECT
    'answered before the prompt came' AS fault,
    count(*) AS outcomes
FROM contact.answers AS a
WHERE a.prompt_id IS NOT NULL AND a.answered_at < a.prompted_at
HAVING count(*) > 0
UNION ALL
SELECT
    'answered more than a day after the prompt' AS fault,
    count(*) AS outcomes
FROM contact.answers AS a
WHERE a.prompt_id IS NOT NULL AND a.answered_at > a.prompted_at + INTERVAL '1 day'
HAVING count(*) > 0
UNION ALL
SELECT
    'of prompts that do not exist, or of another person' AS fault,
    count(*) AS outcomes
FROM contact.answers AS a
WHERE a.prompt_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM contact.prompts AS t WHERE t.prompt_id = a.prompt_id AND t.person_id = a.person_id)
HAVING count(*) > 0
