-- How far a standby has replayed its primary's log; one row.
-- behind: the bytes that it lacks of a position, null where it is no standby.
-- Parameters: $1 the position (numbered, as the driver of these reads has them).
SELECT
    CAST(c.system_identifier AS text) AS cluster,
    k.timeline_id AS timeline,
    CAST(current_database() AS text) AS database,
    pg_is_in_recovery() AS standby,
    CAST(pg_wal_lsn_diff(CAST(CAST($1 AS text) AS pg_lsn), pg_last_wal_replay_lsn()) AS bigint) AS behind
FROM pg_control_system() AS c
CROSS JOIN pg_control_checkpoint() AS k
