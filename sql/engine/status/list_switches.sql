-- Whether each job that was ever enabled or disabled is enabled; one row per job.
SELECT DISTINCT ON (s.job)
    s.job,
    s.enabled
FROM scorer.job_switches AS s
ORDER BY s.job, s.switch_id DESC
