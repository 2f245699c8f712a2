-- Says of a partition that it is to go, so that whoever comes after a crash drops it. Between the braces goes the partition.
COMMENT ON TABLE scorer.{part} IS 'Expired; scorer maintain drops it.'
