-- Replays older than keep that found nothing alarming; one row per score, part and replay.
-- Parameters: keep.
SELECT t.ctid
FROM scorer.replays AS t
WHERE t.replayed_at < now() - CAST(:keep AS interval)
  AND NOT t.alarming
