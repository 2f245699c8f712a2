-- Receives a batch's rejections; one row per rule and refused observation or entity.
COPY pg_temp.staged_rejections (
    entity_id,
    observation_id,
    rule,
    action,
    column_name,
    observed,
    expected
) FROM STDIN WITH (FORMAT binary)
