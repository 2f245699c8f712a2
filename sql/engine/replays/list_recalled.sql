-- The entities whose current score a recall took away, with the band that they had and, once they are judged again, how that ended, those
-- that had the highest score first; one row per entity and output.
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
