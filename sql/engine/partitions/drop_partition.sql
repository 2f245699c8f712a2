-- Drops a table that was a partition of the ledger.
-- Between the braces goes the table.
DROP TABLE scorer.{part}
