-- Where the scores for the hospital's own table are laid out, once a session, for the job's write_back statement to read; emptied by each
-- commit.
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
