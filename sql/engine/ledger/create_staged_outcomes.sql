-- Where a batch's outcomes are copied to, once a session; emptied by each commit. Numbers in the ledger are given here, so that
-- ledger and current scores agree on them without a second look.
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
