-- Marks a partition, by its comment, as one to be dropped.
-- After a crash, the next upkeep drops it. Between the braces goes the partition.
COMMENT ON TABLE scorer.{part} IS 'Expired; scorer maintain drops it.'
