-- Makes the visits of which a delivery has observations alone, one row per visit.
-- A visit begins with its first observation; where it is taken to have ended, with the last that was made and recorded by now. One whose
-- observations name several clients is held by the suite.
-- Parameters: ended (whether each visit has ended).
INSERT INTO public.visits (
    visit_id,
    client,
    admitted_at,
    discharged_at
)
SELECT
    o.visit_id,
    min(o.client) AS client,
    min(o.observation_date) FILTER (WHERE isfinite(o.observation_date)) AS admitted_at,
    CASE
        WHEN %(ended)s THEN
            max(GREATEST(o.observation_date, o.recorded_at)) FILTER (WHERE GREATEST(o.observation_date, o.recorded_at) <= now())
    END AS discharged_at
FROM public.patient_observations AS o
WHERE o.visit_id IS NOT NULL
GROUP BY o.visit_id
