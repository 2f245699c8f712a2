-- Puts the model shipped with a job into production, where it never had one; one row, empty.
-- Parameters: job, model_version, why.
SELECT scorer.admit_first_model(:job, :model_version, :why)
