-- What others and we do in the database just now; one row: sessions of others at work, bytes that the standby farthest behind has yet to
-- replay, sessions of ours that wait for a lock, and the age of the longest transaction of others. Null is what may not be seen: all but
-- the lock waits need pg_read_all_stats, granted to the function's owner, so that the worker itself sees no statement of anybody.
SELECT
    l.active_sessions,
    l.replication_lag,
    l.lock_waits,
    l.longest_transaction
FROM scorer.look_around() AS l
