-- What became of the entities whose current score a recall took away, by the band that they had; one row per band and what came after it,
-- to_status RECALLED where that is still to come. in_source: of them, those whose row in the hospital's own table is still to be put right.
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
