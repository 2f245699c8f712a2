-- When the cycle that runs at each user's time began: one row per user. It is published, and no feature. An end that was recorded late counts
-- from its day: she is scored as of a time before, and by what is known now.
-- Parameters: entity_ids, as_ofs (arrays, one element per user).
SELECT
    k.position,
    (
        SELECT CAST(max(c.ended_on) AS text)
        FROM cycle.cycles AS c
        WHERE c.user_id = u.user_id
          AND c.ended_on BETWEEN DATE '1900-01-01' AND CAST(k.as_of AT TIME ZONE 'UTC' AS date)
    ) AS cycle_began_on
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN cycle.users AS u ON u.user_id = CAST(k.entity_id AS bigint)
