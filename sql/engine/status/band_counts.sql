-- Counts the entities and the stale scores in each status and band; one row per status and band.
-- Parameters: job.
SELECT
    status,
    risk_band,
    count(*) AS entities,
    count(*) FILTER (WHERE stale) AS stale
FROM reporting.current_scores
WHERE job = :job
GROUP BY
    status,
    risk_band
ORDER BY
    status DESC,
    max(score) DESC NULLS LAST
