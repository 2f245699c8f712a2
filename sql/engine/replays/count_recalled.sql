-- Counts the entities whose current score a recall took away; one row per band and what came next.
-- to_status is RECALLED where that is still to come. in_source: how many of them have a row in the hospital's own table that is still to be
-- put right.
-- Parameters: recall_id.
SELECT
    from_band,
    to_status,
    to_band,
    count(*) AS entities,
    count(*) FILTER (WHERE stands_in_source) AS in_source
FROM reporting.recalls
WHERE recall_id = :recall_id
  AND was_current
GROUP BY
    from_band,
    to_status,
    to_band
ORDER BY
    max(from_score) DESC,
    to_status DESC,
    max(to_score) DESC NULLS LAST
