-- Allows nested loops again, which forbid_nested_loops.sql has turned off.
SET LOCAL enable_nestloop TO DEFAULT
