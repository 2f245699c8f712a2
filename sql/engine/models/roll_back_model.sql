-- Puts the version that was in production before back there, with a reason; one row, empty.
-- Parameters: job, model_version, why.
SELECT scorer.roll_back_model(:job, :model_version, :why)
