-- Records the staged entities that take_back passed over, for later; one row: how many those are.
-- Another session held their row in the hospital's own table. An entity whose row was emptied, and that has a newer score which the flag
-- <job>.write_back keeps from being written, waits on for that.
-- Parameters: job, output, written (array of entity_id).
WITH passed_over AS (
    SELECT
        s.entity_id,
        s.since
    FROM pg_temp.staged_take_back AS s
    WHERE s.entity_id <> ALL (CAST(:written AS text []))
),

kept AS (
    INSERT INTO scorer.write_backs (job, entity_id, since, recalled)
    SELECT
        :job,
        p.entity_id,
        p.since,
        true
    FROM passed_over AS p
    UNION ALL
    SELECT
        :job,
        s.entity_id,
        s.since,
        false
    FROM pg_temp.staged_take_back AS s
    JOIN scorer.current_scores AS c
        ON c.job = :job
        AND c.entity_id = s.entity_id
        AND c.output = :output
    WHERE s.entity_id = ANY (CAST(:written AS text []))
      AND c.score IS NOT NULL
    ON CONFLICT (job, entity_id) DO NOTHING
)

SELECT count(*) AS passed_over
FROM passed_over
