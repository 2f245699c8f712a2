-- Records the staged reasons with the scores staged beside them; one row per score and reason.
-- Parameters: run_id.
INSERT INTO scorer.score_reasons (
    score_id,
    rank,
    kind,
    feature,
    value,
    contribution,
    code,
    attribute,
    source,
    observation_id,
    observation_date,
    observation_value,
    run_began_at
)
SELECT
    o.score_id,
    r.rank,
    r.kind,
    r.feature,
    r.value,
    r.contribution,
    r.code,
    r.attribute,
    r.source,
    r.observation_id,
    r.observation_date,
    r.observation_value,
    (
        SELECT n.started_at
        FROM scorer.runs AS n
        WHERE n.run_id = :run_id
    )
FROM pg_temp.staged_reasons AS r
JOIN pg_temp.staged_outcomes AS o ON o.entity_id = r.entity_id AND NOT o.shadow
