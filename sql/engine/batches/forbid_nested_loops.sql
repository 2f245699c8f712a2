-- Turns nested loops off, up to allow_nested_loops.sql: findings are compared by a hash.
-- The planner knows nothing of those staged, and takes those just opened for one or two until rejections are analyzed: by a loop, each
-- would be compared with all that are staged. PostgreSQL 15 chose that.
SET LOCAL enable_nestloop = off
