-- Receives a batch's outcomes, one row per entity whose outcome is new.
COPY pg_temp.staged_outcomes (
    entity_id,
    as_of,
    status,
    input_hash,
    reason,
    score,
    risk_band,
    label,
    outputs,
    attributes,
    valid_until,
    features
) FROM STDIN WITH (FORMAT binary)
