-- Receives the reasons of a batch's scores; one row per entity and reason.
COPY pg_temp.staged_reasons (
    entity_id,
    rank,
    kind,
    feature,
    value,
    contribution,
    code,
    attribute,
    source,
    observation_id,
    observation_date,
    observation_value
) FROM STDIN WITH (FORMAT binary)
