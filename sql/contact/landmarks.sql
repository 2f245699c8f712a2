-- What the model is trained and evaluated on: one row per prompt and as-of time, of prompts after a person's first six.
-- Each prompt is foretold twice: as of `lead` before its slot's hour, and as of the last Monday, 00:00 in `zone`, as in production: hours_ahead says
-- which. The label is 1 where it was answered within `promptly` of its coming, else 0, and NULL until `wait` has passed.
-- Rates are too high near a person's end, since records end with the last answer; `cohort` keeps a person on one side of every split.
-- Parameters: zone, lead, wait, promptly.
WITH prompts AS (
    SELECT
        t.person_id,
        t.person_id || '/' || t.slot_id AS entity_id,
        t.sent_at,
        row_number() OVER (PARTITION BY t.person_id ORDER BY t.sent_at) AS number,
        min(t.sent_at) OVER (PARTITION BY t.person_id) AS first_at,
        CASE
            WHEN t.sent_at + CAST(:wait AS interval) > now() THEN NULL
            WHEN EXISTS (
                SELECT
                FROM contact.answers AS a
                WHERE a.prompt_id = t.prompt_id
                  AND a.person_id = t.person_id
                  AND a.answered_at BETWEEN a.prompted_at AND a.prompted_at + CAST(:promptly AS interval)
                  AND a.answered_at <= t.sent_at + CAST(:wait AS interval)
            ) THEN 1
            ELSE 0
        END AS label
    FROM contact.prompts AS t
)

SELECT
    p.entity_id,
    p.person_id AS cohort,
    l.as_of,
    p.label
FROM prompts AS p
CROSS JOIN LATERAL (
    SELECT p.sent_at - CAST(:lead AS interval) AS as_of
    UNION ALL
    SELECT date_trunc('week', p.sent_at, :zone) AS as_of
) AS l
WHERE p.number > 6
  AND l.as_of > p.first_at
