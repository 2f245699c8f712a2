-- Receives a batch's new outcomes; one row per entity, and another for what a challenger says.
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
