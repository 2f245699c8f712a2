-- Says of a partition that is, or was, to be dropped that it is only taken out of the ledger, and kept. Between the braces goes the partition.
COMMENT ON TABLE scorer.{part} IS 'Taken out of the ledger, as it stands: to be archived, or dropped by hand.'
