-- What is granted to whom; one row per login, job and facility, each in words where it is all.
SELECT
    g.login,
    COALESCE(g.job, 'all') AS job,
    COALESCE(g.facility, 'all') AS facility,
    g.granted_at,
    g.granted_by,
    g.login_exists
FROM reporting.facility_grants AS g
ORDER BY g.login, g.job NULLS FIRST, g.facility NULLS FIRST
