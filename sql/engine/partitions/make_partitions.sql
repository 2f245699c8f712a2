-- Makes the ledger's partitions of this month and of so many after it, where they are missing; one row per table made.
-- Parameters: months.
SELECT made.part
FROM scorer.make_partitions(:months) AS made (part)
