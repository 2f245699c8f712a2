-- What was known of each user's cycles as of her time: one row per cycle that had ended, dated by its end, which begins the next one. Rows
-- without a date, or dated in the future, are known too: the suite refuses them, with a reason.
-- `fits_dates` is 0 where the length that the tracker shows is not the days from the first date to the second. The reference range is
-- FIGO's of 2018, of every row.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per user).
SELECT
    k.position,
    c.cycle_id AS observation_id,
    c.ended_at AS observation_date,
    'CYCLE_LENGTH' AS observation_type_code,
    c.length_days AS observation_value,
    CAST(24 AS double precision) AS reference_range_min,
    CAST(38 AS double precision) AS reference_range_max,
    CASE WHEN c.length_days <> c.ended_on - c.began_on THEN 0 END AS fits_dates,
    c.recorded_at,
    COALESCE(c.recorded_at, c.ended_at) AS known_from
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN (
    SELECT
        *,
        CASE
            WHEN ended_on BETWEEN DATE '1900-01-01' AND DATE '2200-01-01' THEN CAST(ended_on AS timestamp) AT TIME ZONE 'UTC'
        END AS ended_at
    FROM cycle.cycles
    WHERE user_id = ANY (CAST(:entity_ids AS bigint []))
    OFFSET 0
) AS c ON c.user_id = CAST(k.entity_id AS bigint)
WHERE (COALESCE(c.recorded_at, c.ended_at) > k.known_at) IS NOT TRUE
  AND (LEAST(c.ended_at, c.recorded_at) > k.as_of) IS NOT TRUE
