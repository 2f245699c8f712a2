-- What is known of each woman beside her answers: one row per report. `ethnicity` is for subgroups
-- alone, and no feature; `woman` is published. `undated` is 1 where it is not known when the woman was asked: a date before 1900 is what a
-- system writes where it knows none.
-- Parameters: entity_ids, as_ofs (arrays, one element per report).
SELECT
    k.position,
    CAST(r.woman_id AS text) AS woman,
    r.interviewed_at,
    CASE WHEN r.interviewed_at >= TIMESTAMPTZ '1900-01-01 UTC' THEN 0 ELSE 1 END AS undated,
    r.age_years,
    r.smoking,
    r.ethnicity
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN symptoms.reports AS r ON r.report_id = CAST(k.entity_id AS bigint)
