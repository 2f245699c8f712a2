-- Begins a transaction, and names the process of the server that carries it; one row: its number.
BEGIN;
SELECT pg_backend_pid() AS pid
