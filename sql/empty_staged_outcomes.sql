-- Forgets what an earlier batch of the same transaction staged (a dry run's; other transactions stage one batch).
DELETE FROM pg_temp.staged_outcomes
