-- What keeps whoever is connected from promoting a model version, or, where it is not tried yet, from trying to; one row, null where nothing does.
-- Parameters: job, model_version, tried.
SELECT scorer.promotion_lacks(:job, :model_version, :tried) AS lack
