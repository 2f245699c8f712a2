-- The users whose running cycle may be due: one row per user who has joined. She is scored as of now, for as long as her cycle is running;
-- one that has run for `running` has lost its user, and is scored as of then. It is settled once `recheck` has passed since.
-- Parameters: as_of, running, recheck, sweep, entity_ids (array: whom to look at, settled or not).
SELECT
    CAST(d.user_id AS text) AS entity_id,
    d.as_of,
    d.settled
FROM (
    SELECT
        u.user_id,
        LEAST(l.began_at + CAST(:running AS interval), CAST(:as_of AS timestamptz)) AS as_of,
        COALESCE(l.began_at < CAST(:as_of AS timestamptz) - CAST(:running AS interval) - CAST(:recheck AS interval), false) AS settled
    FROM cycle.users AS u
    LEFT JOIN LATERAL (
        SELECT CAST(max(c.ended_on) AS timestamp) AT TIME ZONE 'UTC' AS began_at
        FROM cycle.cycles AS c
        WHERE c.user_id = u.user_id
          AND c.ended_on BETWEEN DATE '1900-01-01' AND CAST(CAST(:as_of AS timestamptz) AT TIME ZONE 'UTC' AS date)
          AND (c.recorded_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
    ) AS l ON true
    WHERE (u.joined_at > CAST(:as_of AS timestamptz)) IS NOT TRUE
) AS d
WHERE CAST(:sweep AS boolean)
   OR NOT d.settled
   OR CAST(d.user_id AS text) = ANY (CAST(:entity_ids AS text []))
