-- Has a version in staging score beside the one in production, with a reason; one row, empty.
-- Parameters: job, model_version, why.
SELECT scorer.start_challenge(:job, :model_version, :why)
