-- Moves a model version to another status, with a reason; one row, empty.
-- Parameters: job, model_version, status, why.
SELECT scorer.move_model(:job, :model_version, :status, :why)
