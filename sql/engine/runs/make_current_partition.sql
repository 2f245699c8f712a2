-- Makes the ledger's partitions of this month, where they are missing; one row per table made. While one is made, requests, recalls and
-- replays wait to be written: so this is a transaction of its own, before that in which a run begins.
-- (The argument, always 0, is taken from the count so that nothing is called where nothing is missing.)
SELECT made.part
FROM (
    SELECT count(*) AS there
    FROM scorer.ledger_partitions AS p
    WHERE p.begins_at <= now()
      AND p.ends_at > now()
) AS month
CROSS JOIN LATERAL scorer.make_partitions(CAST(month.there * 0 AS integer)) AS made (part)
WHERE month.there < 2
