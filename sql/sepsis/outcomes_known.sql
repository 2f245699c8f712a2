-- What has become of scored visits: one row per score whose visit has an outcome, with the label as landmarks.sql has it. The label is
-- NULL where it cannot be known yet: `horizon` has not passed since the as-of time; and where the onset lies back by more than `late`: a
-- model is not trained on such hours, and foretells nothing there.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), horizon, late.
SELECT
    k.position,
    CASE
        WHEN k.as_of + CAST(:horizon AS interval) > now() THEN NULL
        WHEN k.as_of > t.onset_at + CAST(:late AS interval) THEN NULL
        WHEN t.onset_at <= k.as_of + CAST(:horizon AS interval) THEN 1
        WHEN t.onset_at IS NOT NULL OR t.sepsis = 0 THEN 0
    END AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN public.outcomes AS t ON t.visit_id = CAST(k.entity_id AS bigint)
