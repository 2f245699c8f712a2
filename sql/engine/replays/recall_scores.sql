-- Marks scores as entered in error, takes them out of what is current, and asks for others in their place; one row, the key of the recall.
-- Parameters: job, why, model_version, job_version, scored_from, scored_until (each null: any), anyway, trial.
SELECT scorer.recall_scores(
    :job,
    :why,
    :model_version,
    :job_version,
    CAST(:scored_from AS timestamptz),
    CAST(:scored_until AS timestamptz),
    :anyway,
    :trial
) AS recall_id
