-- Makes the table that a batch's outcomes are copied to, once a session; each commit empties it.
-- Keys of the ledger are drawn here, so that the ledger and the current scores agree on them without a second look.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_outcomes (
    score_id bigint NOT NULL DEFAULT nextval('scorer.scores_score_id_seq'),
    entity_id text NOT NULL,
    as_of timestamptz NOT NULL,
    status text NOT NULL,
    input_hash bytea NOT NULL,
    reason text,
    score double precision,
    risk_band text,
    label text,
    outputs jsonb NOT NULL,
    attributes jsonb NOT NULL,
    valid_until timestamptz,
    features bytea,
    as_known_at timestamptz,
    model_version text,
    shadow boolean NOT NULL
) ON COMMIT DELETE ROWS
