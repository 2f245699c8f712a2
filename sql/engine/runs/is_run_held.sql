-- Whether a living process carries the run; one row.
-- The lock is looked up, not tried: a process that wants to resume the run is not turned away meanwhile.
-- Parameters: run_id.
SELECT EXISTS (
    SELECT
    FROM pg_locks AS l
    JOIN pg_database AS d ON d.oid = l.database
    WHERE d.datname = current_database()
      AND l.locktype = 'advisory'
      AND l.granted
      AND l.objsubid = 1
      AND CAST(l.classid AS bigint) << 32 | CAST(l.objid AS bigint) = hashtextextended('scorer.run', :run_id)
) AS held
