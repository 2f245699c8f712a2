-- Marks scores as entered in error, and requests others in their place; one row: the recall's key.
-- They are current no longer.
-- Parameters: job, why, model_version, job_version, scored_from, scored_until (each null: any), anyway (true: even where the replacements
-- would be made the same way), trial (true: only to be looked at; it cannot be committed).
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
