-- Where concepts.csv and the vocabulary of this database differ: one row per fault, in a sentence. `scorer job check` tells each. A line
-- whose concept the site made itself (2,000,000,000 and above) has no LOINC code that could be compared.
WITH map (concept_id, unit_concept_id, code, factor, shift, loinc, unit) AS (
    VALUES
    {concepts}
),

named AS (
    SELECT DISTINCT
        map.code,
        map.concept_id,
        'LOINC' AS vocabulary_id,
        map.loinc AS concept_code
    FROM map
    WHERE map.concept_id < 2000000000
    UNION
    SELECT DISTINCT
        map.code,
        map.unit_concept_id AS concept_id,
        'UCUM' AS vocabulary_id,
        map.unit AS concept_code
    FROM map
    WHERE map.unit_concept_id BETWEEN 1 AND 1999999999
)

SELECT
    CASE
        WHEN v.concept_id IS NULL THEN format('concept %s of %s, which concepts.csv has, is not in cdm.concept', n.concept_id, n.code)
        WHEN v.vocabulary_id <> n.vocabulary_id OR v.concept_code <> n.concept_code
            THEN format(
                'concept %s of %s is %s %s in concepts.csv and %s %s in cdm.concept',
                n.concept_id, n.code, n.vocabulary_id, n.concept_code, v.vocabulary_id, v.concept_code
            )
        ELSE format('concept %s of %s is no standard concept in cdm.concept', n.concept_id, n.code)
    END AS fault
FROM named AS n
LEFT JOIN cdm.concept AS v ON v.concept_id = n.concept_id
WHERE v.concept_id IS NULL
   OR v.vocabulary_id <> n.vocabulary_id
   OR v.concept_code <> n.concept_code
   OR v.standard_concept IS DISTINCT FROM 'S'
ORDER BY
    n.code,
    n.concept_id
