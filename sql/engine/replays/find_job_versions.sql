-- The versions of jobs whose hash begins with these characters, newest first; one row per version.
-- Parameters: beginning.
SELECT
    job,
    job_version
FROM scorer.job_versions
WHERE starts_with(job_version, :beginning)
ORDER BY
    registered_at DESC,
    job_version
