-- The asked users who have joined, each with the moment as of which she is scored, as due.sql has it: one row per user, found by her key.
-- What is asked for is anybody's text: only a whole number can be a user.
-- Parameters: entity_ids (array), as_of, running.
SELECT
    CAST(u.user_id AS text) AS entity_id,
    LEAST(l.began_at + CAST(:running AS interval), CAST(:as_of AS timestamptz)) AS as_of
FROM cycle.users AS u
LEFT JOIN LATERAL (
    SELECT CAST(max(c.ended_on) AS timestamp) AT TIME ZONE 'UTC' AS began_at
    FROM cycle.cycles AS c
    WHERE c.user_id = u.user_id
      AND c.ended_on BETWEEN DATE '1900-01-01' AND CAST(CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC' AS date)
      AND (c.recorded_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
) AS l ON true
WHERE u.user_id = ANY (
        ARRAY(
            SELECT CASE WHEN abs(CAST(e.entity_id AS numeric)) < 9223372036854775808 THEN CAST(e.entity_id AS bigint) END
            FROM unnest(CAST(:entity_ids AS text [])) AS e (entity_id)
            WHERE e.entity_id ~ '^-?[0-9]{1,19}$'
        )
    )
    AND (u.joined_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
