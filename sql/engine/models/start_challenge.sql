-- Has a version in staging score beside production, with the reason; one row, empty.
-- Parameters: job, model_version, why.
SELECT scorer.start_challenge(:job, :model_version, :why)
