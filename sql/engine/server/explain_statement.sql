-- Plans a statement, and does not run it; one row per line of the plan, or one row of JSON.
-- Between the first braces goes the format, between the second the statement.
EXPLAIN (FORMAT {format})
{query}
