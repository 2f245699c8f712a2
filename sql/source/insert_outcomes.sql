-- Inserts the rows that are left, in the order of the file; one row per visit.
INSERT INTO public.outcomes (
    visit_id,
    sepsis,
    onset_at
)
SELECT
    visit_id,
    sepsis,
    onset_at
FROM pg_temp.loading_outcomes
ORDER BY line
