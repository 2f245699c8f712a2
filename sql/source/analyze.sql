-- Analyzes what was loaded, so that the statements that read it are planned for its size.
ANALYZE
    public.visits,
    public.patient_observations,
    public.outcomes
