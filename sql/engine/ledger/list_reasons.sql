-- The reasons recorded with a score, foremost first and the bias last; one row per reason.
-- Parameters: score_id.
SELECT
    r.kind,
    r.contribution,
    r.feature,
    r.value,
    r.code,
    r.attribute,
    r.source,
    r.observation_id,
    r.observation_date,
    r.observation_value
FROM scorer.score_reasons AS r
WHERE r.score_id = :score_id
ORDER BY r.rank
