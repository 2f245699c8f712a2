-- Live figures older than keep whose checkup goes as well; one row per figure. See checkups.sql.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.live_performance AS t
WHERE t.window_until < now() - CAST(:keep AS interval)
  AND NOT EXISTS (
      SELECT
      FROM scorer.checkups AS c
      WHERE c.checkup_id = t.checkup_id
        AND (
            c.checked_at >= now() - CAST(:keep AS interval)
            OR c.checkup_id = (
                SELECT max(n.checkup_id)
                FROM scorer.checkups AS n
                WHERE n.job = c.job
                  AND n.model_version = c.model_version
            )
        )
  )
