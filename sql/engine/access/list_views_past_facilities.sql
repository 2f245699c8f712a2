-- Views that would show a job's rows whatever their facility.
-- One row per view of reporting and table that it reads.
-- Parameters: job.
SELECT
    v.view_name,
    v.table_name
FROM scorer.views_past_facilities AS v
WHERE v.only_jobs = '{}'
   OR :job = ANY (v.only_jobs)
ORDER BY v.view_name, v.table_name
