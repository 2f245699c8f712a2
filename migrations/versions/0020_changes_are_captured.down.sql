DROP TABLE scorer.captured_changes;
