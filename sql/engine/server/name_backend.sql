-- The process of the server that carries this transaction; one row: its number.
SELECT pg_backend_pid() AS pid
