-- Has the planner's statistics of one of our tables taken anew; one row.
-- Parameters: table_name.
SELECT scorer.refresh_statistics(:table_name)
