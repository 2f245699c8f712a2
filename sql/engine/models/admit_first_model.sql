-- Puts the model that is shipped with a job into production, where the job never had one there; one row, empty.
-- Parameters: job, model_version, why.
SELECT scorer.admit_first_model(:job, :model_version, :why)
