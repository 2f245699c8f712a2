-- The entities whose current score a recall took away; one row per entity and output.
-- Each has the band that it had and, once it is judged again, how that ended. Entities still to be judged come first, then those whose band
-- changed; among them, the highest score first.
-- Parameters: recall_id, max_rows.
SELECT
    entity_id,
    from_band,
    to_status,
    to_band,
    changes_band
FROM reporting.recalls
WHERE recall_id = :recall_id
  AND was_current
ORDER BY
    changes_band DESC NULLS FIRST,
    from_score DESC,
    entity_id
LIMIT :max_rows
