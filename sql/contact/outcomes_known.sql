-- What came of the slots that were scored: one row per score, with the label as landmarks.sql has it: of the prompt that came at the
-- slot's next occurrence, within the week. NULL where there was none, or `wait` has not passed since.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), wait, promptly.
SELECT
    k.position,
    CASE WHEN t.sent_at + CAST(:wait AS interval) <= now() THEN
        CASE
            WHEN EXISTS (
                SELECT
                FROM contact.answers AS a
                WHERE a.prompt_id = t.prompt_id
                  AND a.person_id = t.person_id
                  AND a.answered_at BETWEEN a.prompted_at AND a.prompted_at + CAST(:promptly AS interval)
                  AND a.answered_at <= t.sent_at + CAST(:wait AS interval)
            ) THEN 1
            ELSE 0
        END
    END AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
LEFT JOIN LATERAL (
    SELECT
        n.prompt_id,
        n.person_id,
        n.sent_at
    FROM contact.prompts AS n
    WHERE n.person_id = regexp_replace(k.entity_id, '/[^/]*$', '')
      AND n.slot_id = regexp_replace(k.entity_id, '^.*/', '')
      AND n.sent_at >= k.as_of
      AND n.sent_at < k.as_of + INTERVAL '7 days'
    ORDER BY n.sent_at
    LIMIT 1
) AS t ON true
