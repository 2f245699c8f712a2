-- Transactions in hand that may hold scores or recalls of a job, unseen so far; one row each.
-- scores: it has, or waits for, the lock that each transaction which scores or recalls asks for first (lock_against_recalls). The others
-- are of our program and have not asked for it: they have just begun, or will not.
-- Parameters: job, application.
SELECT
    l.virtualtransaction AS transaction,
    l.pid,
    bool_or(
        l.locktype = 'advisory'
        AND CAST(CAST(l.classid AS text) AS bigint) = (k.key >> 32) & 4294967295
        AND CAST(CAST(l.objid AS text) AS bigint) = k.key & 4294967295
        AND l.objsubid = 1
    ) AS scores
FROM pg_locks AS l
JOIN pg_stat_activity AS a ON a.pid = l.pid
CROSS JOIN (SELECT hashtextextended('scorer.recalls ' || %(job)s, 0) AS key) AS k
WHERE a.datname = current_database()
  AND a.pid <> pg_backend_pid()
GROUP BY l.virtualtransaction, l.pid, a.application_name
HAVING bool_or(l.locktype = 'virtualxid')
   AND (
       a.application_name = %(application)s
       OR bool_or(
           l.locktype = 'advisory'
           AND CAST(CAST(l.classid AS text) AS bigint) = (k.key >> 32) & 4294967295
           AND CAST(CAST(l.objid AS text) AS bigint) = k.key & 4294967295
           AND l.objsubid = 1
       )
   )
