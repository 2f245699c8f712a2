-- Captured changes of transactions that began longer than keep ago; one row per change.
-- The oldest transaction first, and of none after one whose changes stay: the oldest that is left says which are all there.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.captured_changes AS t
WHERE t.changed_at < now() - CAST(:keep AS interval)
  AND t.changed_in < COALESCE(
      (
          SELECT k.changed_in
          FROM scorer.captured_changes AS k
          WHERE k.changed_at >= now() - CAST(:keep AS interval)
          ORDER BY k.changed_in
          LIMIT 1
      ),
      pg_snapshot_xmax(pg_current_snapshot())
  )
ORDER BY t.changed_in
