-- Records how many of a batch's scored rows lie in each bin of the model's baseline. No row.
-- Parameters: batch_id, run_id, job, model_version, scores, counts (as an array is written, which is read faster than one is bound).
INSERT INTO scorer.feature_counts (batch_id, run_id, job, model_version, scores, counts)
VALUES (:batch_id, :run_id, :job, :model_version, :scores, CAST(:counts AS integer []))
