-- What has become of scored enrolments: one row per score, with the label as landmarks.sql has it. It is NULL where it cannot be known: `horizon`
-- has not passed since the as-of time, the learner withdrew without a date, or had left already when the score was made.
-- Parameters: entity_ids, as_ofs (arrays, one element per score), horizon.
SELECT
    k.position,
    CASE
        WHEN k.as_of + CAST(:horizon AS interval) > now() THEN NULL
        WHEN e.unregistered_at <= k.as_of THEN NULL
        WHEN e.unregistered_at <= k.as_of + CAST(:horizon AS interval) THEN 1
        WHEN e.unregistered_at IS NULL AND o.result = 'Withdrawn' THEN NULL
        ELSE 0
    END AS label
FROM unnest(:entity_ids, :as_ofs) WITH ORDINALITY AS k (entity_id, as_of, position)
JOIN churn.enrolments AS e ON e.enrolment_id = k.entity_id
LEFT JOIN churn.outcomes AS o ON o.enrolment_id = e.enrolment_id
