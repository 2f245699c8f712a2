-- Makes the table in which the file's rows wait until it is known which of them can be loaded.
-- Its types are those of the table to load. line: in the file. differs: in which columns it differs from the row that is there.
CREATE TEMPORARY TABLE loading_outcomes ON COMMIT DROP AS
SELECT
    0::bigint AS line,
    NULL::text AS differs,
    visit_id,
    sepsis,
    onset_at
FROM public.outcomes
WITH NO DATA
