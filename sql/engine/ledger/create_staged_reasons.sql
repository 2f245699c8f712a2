-- Makes the table that the reasons of scores are copied to, once a session; each commit empties it.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_reasons (
    entity_id text NOT NULL,
    rank smallint NOT NULL,
    kind text NOT NULL,
    feature text,
    value double precision,
    contribution double precision NOT NULL,
    code text,
    attribute text,
    source text,
    observation_id text,
    observation_date timestamptz,
    observation_value double precision
) ON COMMIT DELETE ROWS
