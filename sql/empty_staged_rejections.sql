-- Forgets what an earlier part of the same transaction staged.
DELETE FROM pg_temp.staged_rejections
