-- Forgets what was laid out earlier in the same transaction.
DELETE FROM pg_temp.staged_write_back
