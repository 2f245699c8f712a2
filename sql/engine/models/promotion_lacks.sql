-- What keeps this login from promoting a model version; one row, null where nothing does.
-- Parameters: job, model_version, tried (false: only what keeps this login from trying the version).
SELECT scorer.promotion_lacks(:job, :model_version, :tried) AS lack
