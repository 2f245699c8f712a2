-- Observation types that the job does not know and that are new in its data; one row per type.
-- New is a type that was seen in at least min_rows rows since a moment, and in none of the look_back before settled_at: by then the model's
-- first day in production is over.
-- Parameters: job, since, settled_at, look_back, min_rows.
SELECT
    seen.code,
    CAST(sum(seen.rows) FILTER (WHERE seen.started_at >= :since) AS bigint) AS rows
FROM (
    SELECT
        r.started_at,
        e.code,
        CAST(e.rows AS bigint) AS rows
    FROM scorer.runs AS r
    JOIN scorer.batches AS b ON b.run_id = r.run_id
    CROSS JOIN LATERAL jsonb_each_text(b.unknown_codes) AS e (code, rows)
    WHERE r.job = :job
      AND b.unknown_codes <> '{}'
      AND (
          r.started_at >= :since
          OR r.started_at BETWEEN CAST(:settled_at AS timestamptz) - CAST(:look_back AS interval) AND :settled_at
      )
) AS seen
GROUP BY seen.code
HAVING min(seen.started_at) > :settled_at
   AND sum(seen.rows) FILTER (WHERE seen.started_at >= :since) >= :min_rows
ORDER BY rows DESC, seen.code
