-- Sets a flag, with a reason; one row: whether that changed it.
-- Parameters: flag, enabled, share (per cent; null: all), facilities (array; null: all), why.
SELECT scorer.set_flag(:flag, :enabled, CAST(:share AS numeric), CAST(:facilities AS text []), :why) AS changed
