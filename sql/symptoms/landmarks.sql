-- What the model is trained and evaluated on: one row per report, as of `late` after the interview. The label is what a doctor had ever told
-- the woman; of two or more conditions it is NULL: the model has no such class.
-- Parameters: late.
SELECT
    CAST(r.report_id AS text) AS entity_id,
    CAST(r.woman_id AS text) AS cohort,
    r.interviewed_at + CAST(:late AS interval) AS as_of,
    NULLIF(c.condition, 'two or more') AS label
FROM symptoms.reports AS r
LEFT JOIN symptoms.conditions AS c ON c.report_id = r.report_id
WHERE r.interviewed_at BETWEEN TIMESTAMPTZ '1900-01-01 UTC' AND now() - CAST(:late AS interval)
