-- Records how many of a batch's scored rows lie in each bin of the model's baseline; no row.
-- Parameters: batch_id, run_id, job, model_version, facility, scores, counts (an array as text,
-- which is read faster than one that is bound).
INSERT INTO scorer.feature_counts (batch_id, run_id, job, model_version, facility, scores, counts)
VALUES (:batch_id, :run_id, :job, :model_version, :facility, :scores, CAST(:counts AS integer []))
