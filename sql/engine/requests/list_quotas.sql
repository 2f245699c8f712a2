-- The roles that have a quota of requests of their own; one row per role.
SELECT
    q.role,
    q.per_minute,
    q.set_by,
    q.set_at
FROM reporting.quotas AS q
ORDER BY q.role
