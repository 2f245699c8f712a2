-- How many entities went from one band to another in a time; one row per job and pair of bands.
-- A score is compared with the one before it of the same entity and output, of the month before at the earliest. entities are those that
-- went, in order, twenty at most and none unless they are asked for.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run), entities.
SELECT
    m.job,
    m.from_band,
    m.to_band,
    count(*) AS moves,
    CASE WHEN %(entities)s THEN (array_agg(DISTINCT m.entity_id ORDER BY m.entity_id))[1:20] ELSE CAST('{}' AS text []) END AS entities
FROM (
    SELECT
        s.job,
        s.entity_id,
        s.run_id,
        s.scored_at,
        COALESCE(s.risk_band, 'no band') AS to_band,
        lag(COALESCE(s.risk_band, 'no band')) OVER (PARTITION BY s.job, s.entity_id, s.output ORDER BY s.scored_at, s.score_id) AS from_band
    FROM reporting.published_scores AS s
    WHERE s.run_began_at >= CAST(%(since)s AS timestamptz) - INTERVAL '31 days'
      AND s.run_began_at < %(until)s
      AND (CAST(%(jobs)s AS text []) IS NULL OR s.job = ANY(CAST(%(jobs)s AS text [])))
) AS m
WHERE m.scored_at >= %(since)s
  AND m.scored_at < %(until)s
  AND m.from_band <> m.to_band
  AND (CAST(%(run_id)s AS bigint) IS NULL OR m.run_id = %(run_id)s)
GROUP BY m.job, m.from_band, m.to_band
ORDER BY m.job, count(*) DESC, m.from_band, m.to_band
