-- What was known of each person as of the slot's time: one row per observation, in no order.
--   ANSWERED     1 where a prompt was answered within `wait` of its slot's hour, else 0
--   PROMPTLY     1 where it was answered within `promptly` of its coming, else 0
--   SAME_HOUR    PROMPTLY of prompts at the slot's hour, SAME_DAY of those on its weekday
--   DELAY_MIN    minutes from the prompt's coming to its answer, known with the answer
--   UNPROMPTED   1 for an answer that nobody had asked for
-- Whether a prompt was answered is known with its answer, or after `wait`. What came of a
-- prompt stands at its slot's hour. known_from is when a row came to be known; no other column depends on the as-of time.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per person and slot), wait, promptly.
WITH asked AS MATERIALIZED (
    SELECT
        k.position,
        k.as_of,
        k.known_at,
        regexp_replace(k.entity_id, '/[^/]*$', '') AS person_id,
        s.weekday,
        s.hour
    FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
    JOIN contact.slots AS s ON s.slot_id = regexp_replace(k.entity_id, '^.*/', '')
),

prompts AS MATERIALIZED (
    SELECT
        t.prompt_id,
        t.person_id,
        t.sent_at,
        s.weekday,
        s.hour,
        a.answered_at,
        EXTRACT(EPOCH FROM a.answered_at - a.prompted_at) / 60 AS delay,
        LEAST(a.answered_at, t.sent_at + CAST(:wait AS interval)) AS known_from,
        COALESCE(a.answered_at <= t.sent_at + CAST(:wait AS interval), false) AS answered,
        COALESCE(
            a.answered_at <= t.sent_at + CAST(:wait AS interval)
            AND a.answered_at >= a.prompted_at AND a.answered_at <= a.prompted_at + CAST(:promptly AS interval),
            false
        ) AS promptly
    FROM contact.prompts AS t
    LEFT JOIN contact.slots AS s ON s.slot_id = t.slot_id
    LEFT JOIN LATERAL (
        SELECT
            n.answered_at,
            n.prompted_at
        FROM contact.answers AS n
        WHERE n.prompt_id = t.prompt_id AND n.person_id = t.person_id
        ORDER BY n.answered_at, n.answer_id
        LIMIT 1
    ) AS a ON true
    WHERE t.person_id IN (SELECT k.person_id FROM asked AS k)
)

SELECT
    k.position,
    o.observation_id || p.prompt_id AS observation_id,
    p.sent_at AS observation_date,
    o.observation_type_code,
    CAST(o.observation_value AS double precision) AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    o.known_from
FROM asked AS k
JOIN prompts AS p ON p.person_id = k.person_id
CROSS JOIN LATERAL (
    VALUES
    ('A', 'ANSWERED', CAST(p.answered AS integer), p.known_from),
    ('P', 'PROMPTLY', CAST(p.promptly AS integer), p.known_from),
    ('H', CASE WHEN p.hour = k.hour THEN 'SAME_HOUR' END, CAST(p.promptly AS integer), p.known_from),
    ('W', CASE WHEN p.weekday = k.weekday THEN 'SAME_DAY' END, CAST(p.promptly AS integer), p.known_from),
    ('D', CASE WHEN p.answered_at IS NOT NULL THEN 'DELAY_MIN' END, p.delay, p.answered_at)
) AS o (observation_id, observation_type_code, observation_value, known_from)
WHERE o.observation_type_code IS NOT NULL
  AND (o.known_from > k.known_at) IS NOT TRUE
  AND (p.sent_at > k.as_of) IS NOT TRUE
UNION ALL
SELECT
    k.position,
    'U' || n.answer_id,
    n.answered_at,
    'UNPROMPTED',
    1,
    NULL,
    NULL,
    n.answered_at
FROM asked AS k
JOIN contact.answers AS n ON n.person_id = k.person_id
WHERE n.prompt_id IS NULL
  AND (n.answered_at > k.known_at) IS NOT TRUE
  AND (n.answered_at > k.as_of) IS NOT TRUE
