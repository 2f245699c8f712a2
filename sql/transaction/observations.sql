-- The numbers of each application: one row per number that the register gives. An empty one is none, and gives no row.
-- A band of debts counts as a number in its middle. Any other text, such as Exempt, is given as it stands: the suite refuses and shows it.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per application).
SELECT
    k.position,
    concat(a.application, ' ', n.code) AS observation_id,
    a.submitted_at AS observation_date,
    n.code AS observation_type_code,
    CASE btrim(n.value)
        WHEN '<20%' THEN '15'
        WHEN '20%-<30%' THEN '25'
        WHEN '30%-<36%' THEN '33'
        WHEN '50%-60%' THEN '55'
        WHEN '>60%' THEN '65'
        ELSE btrim(n.value)
    END AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    a.submitted_at AS known_from
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN transaction.applications AS a ON a.application = CAST(k.entity_id AS bigint)
CROSS JOIN LATERAL (
    VALUES
    ('LOAN_AMOUNT', a.loan_amount),
    ('PROPERTY_VALUE', a.property_value),
    ('INCOME', a.income),
    ('DEBT_TO_INCOME', a.debt_to_income_ratio),
    ('LOAN_TO_VALUE', a.loan_to_value_ratio)
) AS n (code, value)
WHERE (a.submitted_at > LEAST(k.as_of, k.known_at)) IS NOT TRUE
  AND btrim(n.value) <> ''
