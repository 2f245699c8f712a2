-- Makes the ledger's missing partitions of this month and the next ones; one row per table made.
-- Parameters: months (how many after this one).
SELECT made.part
FROM scorer.make_partitions(:months) AS made (part)
