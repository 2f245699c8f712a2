-- What the worker may do to the hospital's tables: read three, and write three columns of one. For the tables' owner to run.
GRANT SELECT ON public.visits, public.patient_observations, public.outcomes TO scorer_worker;
GRANT UPDATE (sepsis_score, risk_level, scored_at) ON public.visits TO scorer_worker;
