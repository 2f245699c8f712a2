-- Deletes the row of a daemon that stops; no row.
-- Parameters: daemon.
DELETE FROM scorer.daemons
WHERE daemon = :daemon
