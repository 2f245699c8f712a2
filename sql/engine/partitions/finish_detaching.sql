-- Completes the detaching of a partition that was begun and interrupted.
-- Between the braces go the ledger and the partition.
ALTER TABLE scorer.{ledger} DETACH PARTITION scorer.{part} FINALIZE
