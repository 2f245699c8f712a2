-- What follows from the numbers of each application: one row per application. Texts that are no numbers, and impossible numbers, give none.
-- beyond_ratio: the ratio that the lender states, less that of the rounded amounts. ratio_decimals: how many it states.
-- twins: applications so far with the same numbers and of the same people: one person's several, or one line twice.
-- Age, sex and race are for subgroups alone, and no features.
-- Parameters: entity_ids, as_ofs (arrays, one element per application).
SELECT
    k.position,
    CAST(extract(EPOCH FROM k.as_of - a.submitted_at) / 3600 AS double precision) AS hours_since_submission,
    n.loan_amount / n.income AS loan_to_income,
    n.property_value / n.income AS value_to_income,
    100 * n.loan_amount / n.property_value AS loan_share,
    n.loan_to_value - 100 * n.loan_amount / n.property_value AS beyond_ratio,
    CAST(length(rtrim(split_part(CAST(n.loan_to_value AS text), '.', 2), '0')) AS double precision) AS ratio_decimals,
    n.income * n.debt_to_income / 100 AS debts,
    (
        SELECT CAST(count(*) AS double precision)
        FROM transaction.applications AS t
        WHERE t.application <> a.application
          AND t.submitted_at <= k.as_of
          AND t.loan_amount = a.loan_amount
          AND t.property_value = a.property_value
          AND t.income = a.income
          AND t.debt_to_income_ratio IS NOT DISTINCT FROM a.debt_to_income_ratio
          AND t.loan_to_value_ratio IS NOT DISTINCT FROM a.loan_to_value_ratio
          AND (t.applicant_age, t.applicant_sex, t.applicant_race) IS NOT DISTINCT FROM (a.applicant_age, a.applicant_sex, a.applicant_race)
    ) AS twins,
    NULLIF(a.applicant_age, '8888') AS applicant_age,
    a.applicant_sex,
    a.applicant_race
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN transaction.applications AS a ON a.application = CAST(k.entity_id AS bigint)
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN a.loan_amount ~ '^[0-9]{1,9}([.][0-9]+)?$' THEN NULLIF(CAST(a.loan_amount AS double precision), 0) END AS loan_amount,
        CASE WHEN a.property_value ~ '^[0-9]{1,9}([.][0-9]+)?$' THEN NULLIF(CAST(a.property_value AS double precision), 0) END AS property_value,
        CASE WHEN a.income ~ '^[0-9]{1,6}([.][0-9]+)?$' THEN NULLIF(CAST(a.income AS double precision), 0) END AS income,
        CASE WHEN a.loan_to_value_ratio ~ '^[0-9]{1,3}([.][0-9]+)?$' THEN CAST(a.loan_to_value_ratio AS numeric) END AS loan_to_value,
        CASE
            WHEN a.debt_to_income_ratio ~ '^[0-9]{1,2}$' THEN CAST(a.debt_to_income_ratio AS double precision)
            WHEN a.debt_to_income_ratio = '<20%' THEN 15
            WHEN a.debt_to_income_ratio = '20%-<30%' THEN 25
            WHEN a.debt_to_income_ratio = '30%-<36%' THEN 33
            WHEN a.debt_to_income_ratio = '50%-60%' THEN 55
            WHEN a.debt_to_income_ratio = '>60%' THEN 65
        END AS debt_to_income
) AS n
