-- What is known of each person and slot beside the observations: one row per person and slot.
--   hours_ahead  from the as-of time to the slot's next occurrence, 168 at most
--   weekday      1 is Monday
-- work, sex and age_years are for subgroups alone: the model does not see them.
-- Parameters: entity_ids, as_ofs (arrays, one element per person and slot), zone.
SELECT
    k.position,
    p.person_id,
    s.slot_id AS slot,
    s.hour,
    s.weekday,
    EXTRACT(EPOCH FROM o.next_at - k.as_of) / 3600 AS hours_ahead,
    p.joined_at,
    p.work,
    p.sex,
    p.age_years
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN contact.people AS p ON p.person_id = regexp_replace(k.entity_id, '/[^/]*$', '')
JOIN contact.slots AS s ON s.slot_id = regexp_replace(k.entity_id, '^.*/', '')
CROSS JOIN LATERAL (
    SELECT min(d.at) AS next_at
    FROM (
        SELECT (date_trunc('day', k.as_of AT TIME ZONE :zone) + make_interval(days => g.days, hours => s.hour)) AT TIME ZONE :zone AS at
        FROM generate_series(0, 7) AS g (days)
        WHERE EXTRACT(ISODOW FROM date_trunc('day', k.as_of AT TIME ZONE :zone) + make_interval(days => g.days)) = s.weekday
    ) AS d
    WHERE d.at >= k.as_of
) AS o
