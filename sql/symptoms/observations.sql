-- What was known of each report as of its time: one row per answer, or measurement of body and blood pressure, dated by the interview. Rows
-- without a date, or dated in the future, are known too: the suite refuses them, with a reason.
-- `answered` is 0 where the answer is a code for "refused" or "don't know": 7 or 9, 77 or 99, 7777 or 9999, by what the question's answers
-- can be. `of_symptoms` is 0 where it tells of a diagnosis or its treatment: asked after it, it gives the condition away. `asked_at_age` is
-- 0 where the question is asked from 40 years on and the woman is younger; `asked_after_yes` is 0 where chest pain is described and CDQ001
-- says that there was none.
-- Parameters: entity_ids, as_ofs, known_ats (arrays, one element per report).
SELECT
    k.position,
    a.answer_id AS observation_id,
    a.answered_at AS observation_date,
    a.question AS observation_type_code,
    a.answer AS observation_value,
    CAST(NULL AS double precision) AS reference_range_min,
    CAST(NULL AS double precision) AS reference_range_max,
    CASE
        WHEN a.question IN ('HSQ470', 'HSQ480', 'HSQ490', 'SLD010H') AND a.answer IN (77, 99) THEN 0
        WHEN a.question = 'RDQ080' AND a.answer IN (7777, 9999) THEN 0
        WHEN a.question LIKE 'CDQ009_' AND a.answer IN (77, 99) THEN 0
        WHEN a.question LIKE 'BMX%' OR a.question LIKE 'BPX%' THEN NULL
        WHEN a.question IN ('HSQ470', 'HSQ480', 'HSQ490', 'SLD010H', 'RDQ080') OR a.question LIKE 'CDQ009_' THEN NULL
        WHEN a.answer IN (7, 9) THEN 0
    END AS answered,
    CASE
        WHEN r.age_years < 40 AND (a.question LIKE 'CDQ%' OR a.question IN ('RDQ031', 'RDQ050')) THEN 0
    END AS asked_at_age,
    CASE WHEN a.question LIKE 'MCQ%' OR a.question IN ('RDQ134', 'RDQ135', 'RDQ137') THEN 0 END AS of_symptoms,
    CASE
        WHEN a.question LIKE 'CDQ00%' AND a.question <> 'CDQ001' AND EXISTS (
            SELECT FROM symptoms.answers AS p
            WHERE p.report_id = a.report_id AND p.question = 'CDQ001' AND p.answer = 2
        ) THEN 0
    END AS asked_after_yes,
    a.recorded_at,
    COALESCE(a.recorded_at, a.answered_at) AS known_from
FROM unnest(:entity_ids, :as_ofs, :known_ats) WITH ORDINALITY AS k (entity_id, as_of, known_at, position)
JOIN symptoms.reports AS r ON r.report_id = CAST(k.entity_id AS bigint)
JOIN (
    SELECT *
    FROM symptoms.answers
    WHERE report_id = ANY (CAST(:entity_ids AS bigint []))
    OFFSET 0
) AS a ON a.report_id = r.report_id
WHERE (COALESCE(a.recorded_at, a.answered_at) > k.known_at) IS NOT TRUE
  AND (LEAST(a.answered_at, a.recorded_at) > k.as_of) IS NOT TRUE
