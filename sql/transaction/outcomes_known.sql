-- What scored applications were for: one row per score whose application has an outcome, with the label as landmarks.sql has it.
-- Parameters: entity_ids, as_ofs (arrays, one element per score).
SELECT
    k.position,
    CASE
        WHEN o.occupancy_type = '3' THEN 'INVESTMENT'
        WHEN o.loan_purpose = '1' THEN 'BUY'
        WHEN o.loan_purpose IN ('31', '32') THEN 'REFINANCE'
        WHEN o.loan_purpose IN ('2', '4') THEN 'IMPROVE_OR_OTHER'
    END AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN transaction.outcomes AS o ON o.application = CAST(k.entity_id AS bigint)
