-- Lets a run find when each user's cycle began, and her cycles, without reading those of others. For the tables' owner to run by hand:
--     psql -v ON_ERROR_STOP=1 -f indexes.sql
CREATE INDEX CONCURRENTLY IF NOT EXISTS cycles_user_id_ended_on_idx ON cycle.cycles (user_id, ended_on);
