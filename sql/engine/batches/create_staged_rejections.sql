-- Makes the table that a batch's rejections are copied to, once a session; each commit empties it.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_rejections (
    entity_id text NOT NULL,
    observation_id text NOT NULL,
    rule text NOT NULL,
    action text NOT NULL,
    column_name text NOT NULL,
    observed text NOT NULL,
    expected text NOT NULL
) ON COMMIT DELETE ROWS
