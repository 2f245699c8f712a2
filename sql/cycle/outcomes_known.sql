-- What has become of scored users: one row per score, with the length of the cycle that was running as of then. The label is NULL while it is
-- running, and where the length cannot be or is not that of its dates, as landmarks.sql has it.
-- Parameters: entity_ids, as_ofs (arrays, one element per score).
SELECT
    k.position,
    (
        SELECT CASE WHEN c.length_days BETWEEN 10 AND 180 AND c.length_days = c.ended_on - c.began_on THEN c.length_days END
        FROM cycle.cycles AS c
        WHERE c.user_id = CAST(k.entity_id AS bigint)
          AND c.began_on <= CAST(k.as_of AT TIME ZONE 'UTC' AS date)
          AND c.ended_on > CAST(k.as_of AT TIME ZONE 'UTC' AS date)
          AND c.ended_on <= CURRENT_DATE
        ORDER BY c.began_on DESC, c.recorded_at DESC NULLS LAST, c.cycle_id
        LIMIT 1
    ) AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
