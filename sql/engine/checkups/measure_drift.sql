-- How far the rows scored since a moment lie from those of training; one row per feature.
-- Another row is for the score. There is none where nothing was counted, or the manifest has no baseline. Each place of the counts has 11
-- numbers: ten bins, and the missing values last.
-- Parameters: job, model_version, since.
WITH counted AS (
    SELECT
        (e.at - 1) / 11 + 1 AS place,
        mod(e.at - 1, 11) AS bin,
        sum(e.n) AS n
    FROM scorer.feature_counts AS f
    CROSS JOIN LATERAL unnest(f.counts) WITH ORDINALITY AS e (n, at)
    WHERE f.job = :job
      AND f.model_version = :model_version
      AND f.counted_at >= :since
    GROUP BY (e.at - 1) / 11, mod(e.at - 1, 11)
),

joined AS (
    SELECT
        c.place,
        array_agg(CAST(c.n AS bigint) ORDER BY c.bin) AS counts,
        CAST(sum(c.n) AS bigint) AS rows
    FROM counted AS c
    GROUP BY c.place
),

baselines AS MATERIALIZED (
    SELECT
        k.place,
        k.feature,
        k.shares,
        k.missing
    FROM scorer.baselines AS k
    WHERE k.job = :job
      AND k.model_version = :model_version
)

SELECT
    b.feature,
    j.rows,
    scorer.psi(b.shares, j.counts) AS psi,
    CAST(j.counts[11] AS double precision) / j.rows AS missing,
    b.missing AS baseline_missing
FROM joined AS j
JOIN baselines AS b ON b.place = j.place
WHERE j.rows > 0
ORDER BY j.place
