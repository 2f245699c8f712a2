-- Turns bitmap scans off, up to restore_planner.sql: index order is read, not collected and sorted.
-- Before a run's work has been analyzed, the planner takes it for a few rows, and each claim would collect all that waits.
SET LOCAL enable_bitmapscan = off
