-- Turns nested loops off, up to allow_nested_loops.sql: findings are compared with those staged by a hash, and not each with all.
-- The planner knows nothing of the staged ones, and takes those just opened for one or two, until rejections are analyzed.
SET LOCAL enable_nestloop = off
