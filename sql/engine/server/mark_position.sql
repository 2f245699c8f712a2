-- Marks the log; one row: how far it is written with the mark. It is flushed when the transaction, which is to be one of its own, commits:
-- whatever was committed before then reaches a standby before the mark, even from sessions that do not wait for the disk.
SELECT
    c.system_identifier AS cluster,
    k.timeline_id AS timeline,
    current_database() AS database,
    CAST(pg_logical_emit_message(true, 'scorer', '') AS text) AS written
FROM pg_control_system() AS c
CROSS JOIN pg_control_checkpoint() AS k
