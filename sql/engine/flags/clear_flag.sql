-- Clears a flag, with a reason; one row, empty.
-- Parameters: flag, why.
SELECT scorer.clear_flag(:flag, :why)
