-- Checkups older than keep; one row per checkup.
-- Each model's newest stays, since it says how the model stands. A checkup goes once no live figure names it.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.checkups AS t
WHERE t.checked_at < now() - CAST(:keep AS interval)
  AND t.checkup_id < (
      SELECT max(n.checkup_id)
      FROM scorer.checkups AS n
      WHERE n.job = t.job
        AND n.model_version = t.model_version
  )
  AND NOT EXISTS (
      SELECT
      FROM scorer.live_performance AS p
      WHERE p.checkup_id = t.checkup_id
  )
