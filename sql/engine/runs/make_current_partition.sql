-- Makes the ledger's partitions of this month where they are missing; one row per table made.
-- While one is made, requests, recalls and replays wait to be written: so this has a transaction of its own, before the one in which a run
-- begins. (The argument is always 0. It is computed from the count so that the function is not called where nothing is missing.)
SELECT made.part
FROM (
    SELECT count(*) AS there
    FROM scorer.ledger_partitions AS p
    WHERE p.begins_at <= now()
      AND p.ends_at > now()
) AS month
CROSS JOIN LATERAL scorer.make_partitions(CAST(month.there * 0 AS integer)) AS made (part)
WHERE month.there < 2
