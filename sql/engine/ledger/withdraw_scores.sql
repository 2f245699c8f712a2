-- Takes current scores back, because whom or what they were made of is gone; one row per score.
-- They are recalled, by a run and not by a person, and are to be taken out of the hospital's own table if writes_back. An entity that is
-- SCORED becomes RECALLED; any other keeps its newer status.
-- Parameters: job, output, writes_back, entity_ids, reasons (arrays, one element per entity).
SELECT w.entity_id
FROM scorer.withdraw_scores(
    :job,
    :output,
    CAST(:writes_back AS boolean),
    CAST(:entity_ids AS text []),
    CAST(:reasons AS text [])
) AS w (entity_id)
