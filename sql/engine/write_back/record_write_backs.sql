-- Records the staged entities that write_back passed over, for later; one row: how many those are.
-- Another session held their row in the hospital's own table; a later batch or run writes it.
-- Parameters: job, written (array of entity_id).
WITH passed_over AS (
    SELECT
        s.entity_id,
        s.since,
        s.recalled
    FROM pg_temp.staged_write_back AS s
    WHERE NOT EXISTS (
        SELECT
        FROM unnest(CAST(:written AS text [])) AS t (entity_id)
        WHERE t.entity_id = s.entity_id
    )
),

kept AS (
    INSERT INTO scorer.write_backs (job, entity_id, since, recalled)
    SELECT
        :job,
        p.entity_id,
        p.since,
        p.recalled
    FROM passed_over AS p
    ON CONFLICT (job, entity_id) DO NOTHING
)

SELECT count(*) AS passed_over
FROM passed_over
