-- What the model is trained on: one row per visit and landmark, an as-of time at which the visit might have been scored. The label is
-- 1 where onset had begun or began within `horizon`. `cohort` keeps a client's landmarks on one side of every split.
-- Parameters: first_landmark, landmark_step, horizon.
SELECT
    CAST(v.visit_id AS text) AS entity_id,
    v.client AS cohort,
    l.as_of,
    CASE WHEN t.onset_at <= l.as_of + CAST(:horizon AS interval) THEN 1 ELSE 0 END AS label
FROM public.visits AS v
JOIN public.outcomes AS t ON t.visit_id = v.visit_id
CROSS JOIN LATERAL generate_series(
    v.admitted_at + CAST(:first_landmark AS interval),
    v.discharged_at,
    CAST(:landmark_step AS interval)
) AS l (as_of)
