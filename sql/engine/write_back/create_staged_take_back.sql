-- Where the entities are laid out whose recalled score still stands in the hospital's own table, once a session, for the job's take_back
-- statement to read; emptied by each commit.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_take_back (
    entity_id text NOT NULL,
    since timestamptz NOT NULL
) ON COMMIT DELETE ROWS
