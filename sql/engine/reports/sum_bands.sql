-- How many scores of a time were published in which band; one row per job, step of time and band.
-- highest is the largest score of a band in the whole time, by which bands are put in order.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run), step (hour or day).
SELECT
    p.job,
    p.at,
    p.band,
    count(*) AS scores,
    max(max(p.score)) OVER (PARTITION BY p.job, p.band) AS highest
FROM (
    SELECT
        s.job,
        s.score,
        COALESCE(s.risk_band, 'no band') AS band,
        date_trunc(CAST(%(step)s AS text), s.scored_at) AS at
    FROM reporting.published_scores AS s
    WHERE s.run_began_at >= CAST(%(since)s AS timestamptz) - INTERVAL '1 day'
      AND s.run_began_at < %(until)s
      AND s.scored_at >= %(since)s
      AND s.scored_at < %(until)s
      AND (CAST(%(jobs)s AS text []) IS NULL OR s.job = ANY(CAST(%(jobs)s AS text [])))
      AND (CAST(%(run_id)s AS bigint) IS NULL OR s.run_id = %(run_id)s)
) AS p
GROUP BY p.job, p.at, p.band
ORDER BY p.job, p.at, p.band
