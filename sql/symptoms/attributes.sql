-- What is known of each woman beside her answers: one row per report. `ethnicity` is for subgroups
-- alone, and no feature; `woman` is published.
-- Parameters: entity_ids, as_ofs (arrays, one element per report).
SELECT
    k.position,
    CAST(r.woman_id AS text) AS woman,
    r.interviewed_at,
    r.age_years,
    r.smoking,
    r.ethnicity
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN symptoms.reports AS r ON r.report_id = CAST(k.entity_id AS bigint)
