-- Makes the table in which the file's rows wait until it is known which of them can be loaded.
-- Its types are those of the table to load. line: in the file. differs: in which columns it differs from the row that is there.
CREATE TEMPORARY TABLE loading_visits ON COMMIT DROP AS
SELECT
    0::bigint AS line,
    NULL::text AS differs,
    visit_id,
    client,
    admitted_at,
    discharged_at,
    age_years,
    sex,
    unit,
    facility,
    hours_before_icu
FROM public.visits
WITH NO DATA
