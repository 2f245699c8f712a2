-- How old the valid scores are, their mean and their bands; one row per job that has any.
-- Ages are in seconds by the database's clock, since the as-of time. bands is a count by name, NULL where there are none. Fewer than 20
-- scores have no mean: it would be nearly a patient's.
SELECT
    g.job,
    CAST(EXTRACT(EPOCH FROM sum(g.age)) / sum(g.scores) AS double precision) AS age_seconds,
    CAST(EXTRACT(EPOCH FROM now() - min(g.oldest)) AS double precision) AS oldest_seconds,
    CASE WHEN sum(g.scores) >= 20 THEN CAST(sum(g.total) / sum(g.scores) AS double precision) END AS mean,
    jsonb_object_agg(g.band, g.scores) FILTER (WHERE g.band IS NOT NULL) AS bands
FROM (
    SELECT
        c.job,
        c.risk_band AS band,
        count(*) AS scores,
        sum(c.score) AS total,
        sum(now() - c.as_of) AS age,
        min(c.as_of) AS oldest
    FROM reporting.current_scores AS c
    WHERE c.valid_until > now()
    GROUP BY
        c.job,
        c.risk_band
) AS g
GROUP BY g.job
ORDER BY g.job
