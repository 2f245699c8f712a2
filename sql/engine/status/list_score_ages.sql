-- How long ago the as-of time of the valid scores is; one row per job that has any.
-- In seconds by the database's clock: of the one in the middle, and of the oldest.
SELECT
    c.job,
    percentile_cont(0.5) WITHIN GROUP (ORDER BY EXTRACT(EPOCH FROM now() - c.as_of)::double precision) AS median_seconds,
    EXTRACT(EPOCH FROM now() - min(c.as_of))::double precision AS oldest_seconds
FROM reporting.current_scores AS c
WHERE c.valid_until > now()
GROUP BY c.job
ORDER BY c.job
