-- What the flags are set to; one row per flag that is set.
-- With history, one per change, the newest last.
-- Parameters: flag (null: all), history.
SELECT
    f.flag,
    f.action,
    f.enabled,
    f.share,
    f.facilities,
    f.at,
    f.actor,
    f.reason
FROM reporting.flags AS f
WHERE (CAST(:flag AS text) IS NULL OR f.flag = :flag)
  AND (CAST(:history AS boolean) OR (f.is_current AND f.action = 'set'))
ORDER BY
    f.flag,
    f.at
