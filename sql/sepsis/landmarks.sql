-- What the model is trained and evaluated on: one row per visit that has ended and landmark, an as-of time at which the visit might have
-- been scored. The label is 1 where onset had begun or began within `horizon`, and NULL where no outcome is known; `event_at` is the onset.
-- `cohort` keeps a client's landmarks on one side of every split. An end that is infinite or still to come is a mistake, and cut.
-- An admission over five years before the end has a date such as 1900-01-01, and its visit no landmark: the suite would hold each.
-- Parameters: first_landmark, landmark_step, horizon.
SELECT
    CAST(v.visit_id AS text) AS entity_id,
    COALESCE(v.client, CAST(v.visit_id AS text)) AS cohort,
    l.as_of,
    CASE
        WHEN t.onset_at <= l.as_of + CAST(:horizon AS interval) THEN 1
        WHEN t.onset_at IS NOT NULL OR t.sepsis = 0 THEN 0
    END AS label,
    t.onset_at AS event_at
FROM public.visits AS v
LEFT JOIN public.outcomes AS t ON t.visit_id = v.visit_id
CROSS JOIN LATERAL generate_series(
    v.admitted_at + CAST(:first_landmark AS interval),
    LEAST(v.discharged_at, now()),
    CAST(:landmark_step AS interval)
) AS l (as_of)
WHERE isfinite(v.admitted_at)
  AND isfinite(v.discharged_at)
  AND v.admitted_at > LEAST(v.discharged_at, now()) - INTERVAL '5 years'
