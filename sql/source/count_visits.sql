-- Counts the visits in the source table; one row.
SELECT count(*) AS visits
FROM public.visits
