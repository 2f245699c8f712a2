-- What others and we do in the database just now; one row.
-- active_sessions: sessions of others at work. replication_lag: bytes that the standby farthest behind has yet to replay. lock_waits:
-- sessions of ours that wait for a lock. longest_transaction: the age of the longest transaction of others. Null is what may not be seen:
-- all but lock_waits need pg_read_all_stats, granted to the function's owner, so that the worker itself sees no other session's statement.
SELECT
    l.active_sessions,
    l.replication_lag,
    l.lock_waits,
    l.longest_transaction
FROM scorer.look_around() AS l
