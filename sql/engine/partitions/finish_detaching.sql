-- Ends the detaching of a partition that was begun and never came to its end. Between the braces go the ledger and the partition.
ALTER TABLE scorer.{ledger} DETACH PARTITION scorer.{part} FINALIZE
