-- The feature vectors of the entities that a model scored last; one row per entity, newest first.
-- Each entity counts with its newest published score. Recalled ones are left out. Only the newest look_back rows of the ledger are read.
-- Parameters: job, output, model_version, look_back.
SELECT newest.features
FROM (
    SELECT DISTINCT ON (s.entity_id)
        s.score_id,
        s.features
    FROM (
        SELECT
            l.score_id,
            l.job,
            l.entity_id,
            l.output,
            l.status,
            l.features,
            l.model_version,
            l.shadow
        FROM scorer.scores AS l
        ORDER BY l.score_id DESC
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
    ORDER BY s.entity_id, s.score_id DESC
) AS newest
ORDER BY newest.score_id DESC
