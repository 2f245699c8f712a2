-- Partitions of the ledger that were kept for long enough; one row per partition, oldest first.
-- All runs in one began longer ago than that. Each row says about how many rows the partition has, and what stands in the way: a run that
-- has not ended, entities whose score in it is still valid.
-- Parameters: keep.
SELECT
    p.ledger,
    quote_ident(p.partition) AS part,
    p.begins_at::text AS begins_at,
    p.ends_at::text AS ends_at,
    GREATEST(c.reltuples, 0)::bigint AS rows,
    (
        SELECT min(r.run_id)
        FROM scorer.runs AS r
        WHERE r.status = 'running'
          AND r.started_at >= p.begins_at
          AND r.started_at < p.ends_at
    ) AS unfinished_run,
    (
        SELECT count(*)
        FROM scorer.current_scores AS k
        WHERE k.valid_until > now()
          AND EXISTS (
              SELECT
              FROM scorer.scores AS s
              WHERE s.score_id = k.score_id
                AND s.run_began_at >= p.begins_at
                AND s.run_began_at < p.ends_at
          )
    ) AS still_valid
FROM scorer.ledger_partitions AS p
JOIN pg_class AS c ON c.relname = p.partition AND c.relnamespace = 'scorer'::regnamespace
WHERE p.ends_at <= now() - CAST(:keep AS interval)
ORDER BY
    p.ends_at,
    p.ledger = 'score_reasons'
