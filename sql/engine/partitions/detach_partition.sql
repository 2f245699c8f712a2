-- Makes a partition a table of its own, keeping no session from the ledger.
-- It runs outside a transaction. Between the braces go the ledger and the partition.
ALTER TABLE scorer.{ledger} DETACH PARTITION scorer.{part} CONCURRENTLY
