-- Marks the write-ahead log; one row: how far it is written with the mark.
-- The transaction is one of its own: its commit flushes the mark, and whatever was committed before then reaches a standby before the mark,
-- even from sessions that do not wait for the disk.
SELECT
    c.system_identifier AS cluster,
    k.timeline_id AS timeline,
    current_database() AS database,
    CAST(pg_logical_emit_message(true, 'scorer', '') AS text) AS written
FROM pg_control_system() AS c
CROSS JOIN pg_control_checkpoint() AS k
