-- Counts what was loaded, so that the first statements to read it are planned for tables of that size.
ANALYZE
    public.visits,
    public.patient_observations,
    public.outcomes
