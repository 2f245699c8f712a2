-- Whether the source table of visits is there; one row.
SELECT to_regclass('public.visits') IS NOT NULL AS found
