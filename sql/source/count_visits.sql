-- How many visits the source table has; one row.
SELECT count(*) AS visits
FROM public.visits
