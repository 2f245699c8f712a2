-- Inserts the rows that are left, in the order of the file; one row per visit.
INSERT INTO public.visits (
    visit_id,
    client,
    admitted_at,
    discharged_at,
    age_years,
    sex,
    unit,
    facility,
    hours_before_icu
)
SELECT
    visit_id,
    client,
    admitted_at,
    discharged_at,
    age_years,
    sex,
    unit,
    facility,
    hours_before_icu
FROM pg_temp.loading_visits
ORDER BY line
