-- Records the staged entities that take_back passed over, for later; one row: how many those are.
-- Another session held their row in the hospital's own table.
-- Parameters: job, written (array of entity_id).
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
    ON CONFLICT (job, entity_id) DO NOTHING
)

SELECT count(*) AS passed_over
FROM passed_over
