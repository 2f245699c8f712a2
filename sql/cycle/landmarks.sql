-- What the model is trained and evaluated on: one row per cycle that has ended, as of its beginning, or of when the tracker learnt of that.
-- The label is its length in days; a length that cannot be, or is not that of its dates, is none. The first cycle has nothing before it: it is
-- a landmark for the sake of the naive forecast, which goes by all earlier lengths.
-- Of the cycles that begin within one `landmark_step`, counted from the user's first day, the first is taken.
-- Parameters: first_landmark, landmark_step.
SELECT
    s.entity_id,
    s.entity_id AS cohort,
    s.as_of,
    CASE WHEN s.length_days BETWEEN 10 AND 180 AND s.length_days = s.ended_on - s.began_on THEN s.length_days END AS label
FROM (
    SELECT DISTINCT ON (b.user_id, b.step)
        CAST(b.user_id AS text) AS entity_id,
        b.began_on,
        b.ended_on,
        b.length_days,
        GREATEST(CAST(b.began_on AS timestamp) AT TIME ZONE 'UTC', b.told_at) AS as_of
    FROM (
        SELECT
            c.*,
            lag(c.recorded_at) OVER w AS told_at,
            floor((c.began_on - min(c.began_on) OVER (PARTITION BY c.user_id)) * 86400 / EXTRACT(EPOCH FROM CAST(:landmark_step AS interval))) AS step,
            c.began_on - min(c.began_on) OVER (PARTITION BY c.user_id) AS tracked
        FROM cycle.cycles AS c
        WHERE c.began_on BETWEEN DATE '1900-01-01' AND CURRENT_DATE
          AND c.ended_on BETWEEN c.began_on AND CURRENT_DATE
        WINDOW w AS (PARTITION BY c.user_id ORDER BY c.began_on, c.cycle_id)
    ) AS b
    WHERE b.tracked * INTERVAL '1 day' >= CAST(:first_landmark AS interval)
    ORDER BY b.user_id, b.step, b.began_on, b.recorded_at DESC NULLS LAST, b.cycle_id
) AS s
JOIN cycle.users AS u ON CAST(u.user_id AS text) = s.entity_id
WHERE s.as_of < CAST(s.ended_on AS timestamp) AT TIME ZONE 'UTC'
