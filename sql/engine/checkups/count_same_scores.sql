-- Counts the entities that a model has scored, and those that share the commonest score; one row.
-- Each entity counts with its newest published score. Recalled ones are left out. Only the newest look_back rows of the ledger are read.
-- Parameters: job, output, model_version, look_back.
WITH newest AS (
    SELECT DISTINCT ON (s.entity_id)
        s.entity_id,
        s.score
    FROM (
        SELECT
            l.score_id,
            l.job,
            l.entity_id,
            l.output,
            l.status,
            l.score,
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
)

SELECT
    CAST(COALESCE(sum(v.entities), 0) AS bigint) AS entities,
    CAST(COALESCE(max(v.entities), 0) AS bigint) AS same
FROM (
    SELECT count(*) AS entities
    FROM newest AS n
    GROUP BY n.score
) AS v
