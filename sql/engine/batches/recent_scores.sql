-- The newest scores that a model published for a job, newest first; one row per score.
-- Recalled ones are left out. Only the newest look_back rows of the ledger are read, by their key and whatever the planner believes of the
-- table, so that the cost does not grow with history.
-- Parameters: job, output, model_version, look_back, max_rows.
SELECT
    s.entity_id,
    s.input_hash,
    s.score
FROM (
    SELECT
        newest.score_id,
        newest.job,
        newest.entity_id,
        newest.output,
        newest.status,
        newest.score,
        newest.input_hash,
        newest.model_version,
        newest.shadow
    FROM scorer.scores AS newest
    ORDER BY newest.score_id DESC
    LIMIT :look_back
) AS s
WHERE s.job = :job
    AND s.output = :output
    AND s.model_version = :model_version
    AND s.status = 'SCORED'
    AND NOT s.shadow
    AND NOT EXISTS (
        SELECT
        FROM scorer.recalls AS r
        WHERE r.score_id = s.score_id
    )
ORDER BY s.score_id DESC
LIMIT :max_rows
