-- Receives a batch's outcomes, one row per entity whose outcome is new, and another one for what a challenger says of it.
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
    features,
    as_known_at,
    model_version,
    shadow
) FROM STDIN WITH (FORMAT binary)
