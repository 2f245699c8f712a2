-- Makes the table of entities whose recalled score is to be taken back, once a session.
-- Their row in the hospital's own table still bears that score. The job's take_back statement reads the table; each commit empties it.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_take_back (
    entity_id text NOT NULL,
    since timestamptz NOT NULL
) ON COMMIT DELETE ROWS
