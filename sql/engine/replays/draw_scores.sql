-- Draws rows of the ledger at random; one row per ledger row: its key.
-- They are drawn from the newest look_back rows of the ledger alone, so that the cost does not grow with history.
-- Parameters: job, since (each null: any), max_scores, look_back.
SELECT s.score_id
FROM (
    SELECT
        newest.score_id,
        newest.job,
        newest.scored_at
    FROM scorer.scores AS newest
    ORDER BY newest.score_id DESC
    LIMIT :look_back
) AS s
WHERE (CAST(:job AS text) IS NULL OR s.job = :job)
  AND (CAST(:since AS timestamptz) IS NULL OR s.scored_at >= :since)
ORDER BY random()
LIMIT :max_scores
