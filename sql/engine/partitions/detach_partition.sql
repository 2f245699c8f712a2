-- Makes a partition a table of its own; outside a transaction, and without keeping anybody from the ledger. Between the braces go the ledger
-- and the partition.
ALTER TABLE scorer.{ledger} DETACH PARTITION scorer.{part} CONCURRENTLY
