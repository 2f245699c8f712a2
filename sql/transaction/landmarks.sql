-- What a model learns from: one row per application, as of its submission. label is what it was for; NULL where the register does not say.
-- cohort keeps applications with the same numbers, of the same people, on the same side of every split.
SELECT
    CAST(a.application AS text) AS entity_id,
    md5(
        concat_ws(
            '|', a.loan_amount, a.property_value, a.income, a.debt_to_income_ratio, a.loan_to_value_ratio,
            a.applicant_age, a.applicant_sex, a.applicant_race
        )
    ) AS cohort,
    a.submitted_at AS as_of,
    CASE
        WHEN o.occupancy_type = '3' THEN 'INVESTMENT'
        WHEN o.loan_purpose = '1' THEN 'BUY'
        WHEN o.loan_purpose IN ('31', '32') THEN 'REFINANCE'
        WHEN o.loan_purpose IN ('2', '4') THEN 'IMPROVE_OR_OTHER'
    END AS label
FROM transaction.applications AS a
JOIN transaction.outcomes AS o ON o.application = a.application
WHERE a.submitted_at BETWEEN TIMESTAMPTZ '2000-01-01 UTC' AND now()
