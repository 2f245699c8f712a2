-- The ten features of each job that lie farthest from training in a time; one row per feature.
-- Of the model in production, over all that it scored in that time; counts and shares are by bin, eleven numbers, the missing ones last.
-- Parameters: jobs (NULL: all), since, until, run_id (NULL: of any run).
WITH counted AS (
    SELECT
        f.job,
        f.model_version,
        (e.at - 1) / 11 + 1 AS place,
        mod(e.at - 1, 11) AS bin,
        sum(e.n) AS n
    FROM reporting.feature_counts AS f
    JOIN reporting.health AS h ON h.job = f.job AND h.model_version = f.model_version
    CROSS JOIN LATERAL unnest(f.counts) WITH ORDINALITY AS e (n, at)
    WHERE f.counted_at >= %(since)s
      AND f.counted_at < %(until)s
      AND (CAST(%(jobs)s AS text []) IS NULL OR f.job = ANY(CAST(%(jobs)s AS text [])))
      AND (CAST(%(run_id)s AS bigint) IS NULL OR f.run_id = %(run_id)s)
    GROUP BY f.job, f.model_version, (e.at - 1) / 11, mod(e.at - 1, 11)
),

joined AS (
    SELECT
        c.job,
        c.model_version,
        c.place,
        array_agg(CAST(c.n AS bigint) ORDER BY c.bin) AS counts,
        CAST(sum(c.n) AS bigint) AS rows
    FROM counted AS c
    GROUP BY c.job, c.model_version, c.place
),

baselines AS MATERIALIZED (
    SELECT
        k.job,
        k.model_version,
        k.place,
        k.feature,
        k.shares
    FROM reporting.baselines AS k
),

measured AS (
    SELECT
        j.job,
        j.model_version,
        b.feature,
        j.rows,
        j.counts,
        b.shares,
        reporting.psi(b.shares, j.counts) AS psi
    FROM joined AS j
    JOIN baselines AS b ON b.job = j.job AND b.model_version = j.model_version AND b.place = j.place
    WHERE j.rows > 0
),

placed AS (
    SELECT
        m.job,
        m.model_version,
        m.feature,
        m.rows,
        m.counts,
        m.shares,
        m.psi,
        row_number() OVER (PARTITION BY m.job ORDER BY m.psi DESC NULLS LAST, m.feature) AS place
    FROM measured AS m
)

SELECT
    p.job,
    p.model_version,
    p.feature,
    p.rows,
    p.counts,
    p.shares,
    p.psi
FROM placed AS p
WHERE p.place <= 10
  AND p.psi IS NOT NULL
ORDER BY p.job, p.place
