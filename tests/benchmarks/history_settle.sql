-- Ends the visits of a run long ago, so that the next run finds its own alone; their observations go.
-- Parameters: first, due.
UPDATE public.visits
SET discharged_at = admitted_at - INTERVAL '60 days',
    admitted_at = admitted_at - INTERVAL '62 days'
WHERE visit_id BETWEEN %(first)s AND %(first)s + %(due)s - 1;

TRUNCATE public.patient_observations;

VACUUM public.visits;

VACUUM scorer.current_scores
