-- Makes the table of scores to write into the hospital's own table, once a session.
-- The job's write_back statement reads it; each commit empties it.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_write_back (
    entity_id text NOT NULL,
    score double precision NOT NULL,
    risk_band text,
    label text,
    as_of timestamptz NOT NULL,
    scored_at timestamptz NOT NULL,
    valid_until timestamptz NOT NULL,
    since timestamptz NOT NULL,
    recalled boolean NOT NULL
) ON COMMIT DELETE ROWS
