-- Marks a partition, by its comment, as taken out of the ledger and kept.
-- The mark takes the place of that of mark_for_dropping.sql. Between the braces goes the partition.
COMMENT ON TABLE scorer.{part} IS 'Taken out of the ledger, as it stands: to be archived, or dropped by hand.'
