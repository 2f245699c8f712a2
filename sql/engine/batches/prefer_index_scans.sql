-- For the statements up to restore_planner.sql: what an index gives in order is not collected and sorted first. The planner takes a run's
-- work for a few rows, before anybody has counted them, and each claim would collect all that waits.
SET LOCAL enable_bitmapscan = off
