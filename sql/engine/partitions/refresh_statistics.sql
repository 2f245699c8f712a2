-- Has one of our tables analyzed, for the planner; one row, empty.
-- Parameters: table_name.
SELECT scorer.refresh_statistics(:table_name)
